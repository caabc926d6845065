//! The list of processes that `find` prints, as they come or in an order.

use std::io;

use super::search::Answer;
use crate::output::listing::Listing;
use crate::process::{Files, Process, ReadResult};
use crate::select::order::{Keys, Order, Ranking};

/// A list that is printed while the scan goes on; in an order, at its end.
pub struct List<'o> {
    listing: Listing<'o>,
    /// The number of processes to print at most.
    limit: Option<usize>,
    sorted: Option<Sorted>,
}

/// The rendered processes of a list that is sorted.
struct Sorted {
    order: Order,
    /// The keys of the process that was read last.
    keys: Keys,
    ranking: Ranking<Vec<u8>>,
}

impl<'o> List<'o> {
    /// Begins a list.
    pub fn begin(
        mut listing: Listing<'o>,
        order: Option<Order>,
        limit: Option<usize>,
    ) -> io::Result<List<'o>> {
        listing.begin()?;
        let sorted = order.map(|order| {
            let ranking = Ranking::new(order.directions(), limit.unwrap_or(usize::MAX));
            Sorted { order, keys: Vec::new(), ranking }
        });
        Ok(List { listing, limit, sorted })
    }

    /// Prints what is left, and returns the number of printed processes.
    pub fn end(mut self) -> io::Result<usize> {
        if let Some(sorted) = self.sorted {
            for rendered in sorted.ranking.into_sorted() {
                self.listing.print_again(rendered)?;
            }
        }
        self.listing.end()
    }
}

impl Answer for List<'_> {
    fn files(&self) -> Files {
        let sorted = self.sorted.as_ref().map_or(Files::NONE, |sorted| sorted.order.files());
        self.listing.format.files() | sorted
    }

    fn needs_pins(&self, is_selective: bool) -> bool {
        let reads = self.listing.format.reads_properties() || self.sorted.is_some();
        reads && is_selective || self.listing.format.shows_identity()
    }

    fn read(&mut self, process: &Process<'_>) -> ReadResult<()> {
        self.listing.render(process)?;
        if let Some(sorted) = &mut self.sorted {
            sorted.keys = sorted.order.keys(process)?;
        }
        Ok(())
    }

    fn keep(&mut self) -> io::Result<()> {
        let Some(sorted) = &mut self.sorted else { return self.listing.print() };
        sorted.ranking.push(std::mem::take(&mut sorted.keys), self.listing.rendered().to_vec());
        Ok(())
    }

    fn is_complete(&self) -> bool {
        self.sorted.is_none() && self.limit.is_some_and(|limit| self.listing.printed() >= limit)
    }
}
