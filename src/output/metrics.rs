//! Metrics in the text format of Prometheus, which is also OpenMetrics as far as it is used here:
//! only gauges. The two name a counter in different ways, so that a count is a gauge too.

use super::put;

/// The name and the value of a label.
pub type Label<'l> = (&'static str, &'l str);

/// A metric: what its samples have in common.
struct Family {
    name: String,
    help: String,
    samples: Vec<u8>,
}

/// The samples by metric: those of one metric must stand together.
#[derive(Default)]
pub struct Families {
    families: Vec<Family>,
}

/// The units that the names of metrics end with.
const UNITS: [&str; 2] = ["bytes", "seconds"];

impl Families {
    /// Adds a sample.
    pub fn sample(&mut self, name: &str, help: &str, labels: &[Label<'_>], value: f64) {
        let at = self.families.iter().position(|family| family.name == name);
        let at = at.unwrap_or_else(|| {
            let (name, help) = (name.to_owned(), help.to_owned());
            self.families.push(Family { name, help, samples: Vec::new() });
            self.families.len() - 1
        });
        let samples = &mut self.families[at].samples;
        samples.extend_from_slice(name.as_bytes());
        for (at, (name, text)) in labels.iter().enumerate() {
            put(
                samples,
                format_args!("{}{name}=\"{}\"", if at == 0 { '{' } else { ',' }, label_value(text)),
            );
        }
        put(samples, format_args!("{} {value}\n", if labels.is_empty() { "" } else { "}" }));
    }

    /// Appends all samples.
    pub fn write(&self, text: &mut Vec<u8>) {
        for Family { name, help, samples } in &self.families {
            put(text, format_args!("# HELP {name} {help}\n# TYPE {name} gauge\n"));
            let is_unit = |unit: &&&str| name.rsplit('_').next() == Some(unit);
            if let Some(unit) = UNITS.iter().find(is_unit) {
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
    fn a_metric_without_labels_and_one_with_a_unit() {
        let mut families = Families::default();
        families.sample("a_seconds", "A.", &[("user", "x")], 1.5);
        families.sample("b", "B.", &[], 2.0);
        let mut text = Vec::new();
        families.write(&mut text);
        let expected = "# HELP a_seconds A.\n# TYPE a_seconds gauge\n# UNIT a_seconds seconds\n\
                        a_seconds{user=\"x\"} 1.5\n# HELP b B.\n# TYPE b gauge\nb 2\n# EOF\n";
        assert_eq!(String::from_utf8(text).unwrap(), expected);
    }
}
