//! Metrics in the text format of Prometheus, which is also OpenMetrics as far as it is used here:
//! only gauges. The two name a counter in different ways, so that a count is a gauge too.

use super::put;

/// A metric: what its samples have in common.
struct Family {
    name: String,
    help: String,
    samples: Vec<u8>,
}

/// The samples by metric: those of one metric must stand together.
#[derive(Default)]
pub struct Families(Vec<Family>);

/// The name and the value of a label.
pub type Label<'l> = (&'static str, &'l str);

/// The units that the ends of names tell of.
const UNITS: [&str; 2] = ["bytes", "seconds"];

impl Families {
    /// Adds a sample. The name of a metric with a unit ends with it.
    pub fn sample(&mut self, name: &str, help: &str, labels: &[Label<'_>], value: f64) {
        let samples = &mut self.family(name, help).samples;
        samples.extend_from_slice(name.as_bytes());
        for (at, (name, text)) in labels.iter().enumerate() {
            let before = if at == 0 { '{' } else { ',' };
            put(samples, format_args!("{before}{name}=\"{}\"", label_value(text)));
        }
        let end = if labels.is_empty() { "" } else { "}" };
        put(samples, format_args!("{end} {value}\n"));
    }

    /// Returns the family of this name, which is new the first time.
    fn family(&mut self, name: &str, help: &str) -> &mut Family {
        let at = self.0.iter().position(|family| family.name == name);
        let at = at.unwrap_or_else(|| {
            let (name, help) = (name.to_owned(), help.to_owned());
            self.0.push(Family { name, help, samples: Vec::new() });
            self.0.len() - 1
        });
        &mut self.0[at]
    }

    /// Appends all samples.
    pub fn write(&self, text: &mut Vec<u8>) {
        for Family { name, help, samples } in &self.0 {
            put(text, format_args!("# HELP {name} {help}\n# TYPE {name} gauge\n"));
            let unit = name.rsplit('_').next().filter(|end| UNITS.contains(end));
            if let Some(unit) = unit {
                put(text, format_args!("# UNIT {name} {unit}\n"));
            }
            text.extend_from_slice(samples);
        }
        text.extend_from_slice(b"# EOF\n");
    }
}

/// Escapes backslashes, quotes and newlines as the format demands.
fn label_value(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_labels() {
        assert_eq!(label_value("a\"b\\c\nd"), "a\\\"b\\\\c\\nd");
    }

    #[test]
    fn the_samples_of_a_metric_stand_together() {
        let mut families = Families::default();
        families.sample("a", "Of a.", &[("b", "1")], 1.0);
        families.sample("c_seconds", "Of c.", &[], 1_790_000_000.125);
        families.sample("a", "Of a.", &[("b", "2"), ("d", "")], 0.0);
        let mut text = Vec::new();
        families.write(&mut text);
        let expected = "# HELP a Of a.\n# TYPE a gauge\na{b=\"1\"} 1\na{b=\"2\",d=\"\"} 0\n\
                        # HELP c_seconds Of c.\n# TYPE c_seconds gauge\n# UNIT c_seconds seconds\n\
                        c_seconds 1790000000.125\n# EOF\n";
        assert_eq!(String::from_utf8_lossy(&text), expected);
    }
}
