//! Shares over time, one on the other: the part of each node in the tokens of each slice. Areas have textures and names, so
//! that colour only helps.

use std::collections::BTreeMap;

use crate::markup::Markup;
use crate::report::Slice;
use crate::words::number;

use super::frame::{Frame, HEIGHT, MIDDLE, Sample, TOP, down, percent};
use super::icon;
use super::lines::spread;
use super::marks::Marks;
use super::pen;
use super::scale::Scale;
use super::table::Table;
use super::thin;

/// Most columns; each is a rectangle per node.
const COLUMNS_MAX: usize = 80;
/// Nodes with an area of their own; the last texture is for all others.
const NODES_MAX: usize = icon::TEXTURES_MAX - 1;
/// Name of the nodes without an area of their own.
pub(super) const OTHERS: &str = "others";
/// Longest name at the end of an area.
const LABEL_CHARACTERS_MAX: usize = 14;

/// Shares of nodes over time.
pub(super) struct Stack<'a> {
    columns: Vec<Slice>,
    /// Largest first, then the others as one.
    names: Vec<String>,
    /// Nodes within the others.
    others: usize,
    x: &'a Scale,
}

impl<'a> Stack<'a> {
    /// Over the axis of time `x`.
    pub(super) fn new(slices: &[Slice], x: &'a Scale) -> Self {
        let (columns, _) = thin::slices(slices, COLUMNS_MAX);
        let mut sizes: BTreeMap<&str, u64> = BTreeMap::new();
        for (node, tokens) in columns.iter().flat_map(|slice| &slice.tokens_by_node) {
            let size = sizes.entry(node).or_default();
            *size = size.saturating_add(*tokens);
        }
        let (names, others) = thin::largest(&sizes, NODES_MAX);
        let names = names.into_iter().map(str::to_owned).collect();
        Self { columns, names, others, x }
    }

    /// The texture of a node.
    pub(super) fn texture(&self, node: &str) -> usize {
        self.names.iter().position(|name| name == node).unwrap_or(NODES_MAX)
    }

    /// The figure.
    pub(super) fn draw(&self, markup: &mut Markup, marks: &Marks) {
        let y = Scale::from_zero([100.0]);
        let frame = Frame {
            id: "node-share".to_owned(),
            title: "Share of each node",
            unit: "% of the tokens of each moment",
            words: self.in_words(),
            x: self.x,
            x_name: "",
            y: &y,
            legend: self.all_names().map(|(texture, name)| (Sample::Area(texture), name)).collect(),
            marks: Some(marks),
            has_long_labels: true,
            is_empty: self.names.is_empty(),
            note: (self.others > 0).then(|| {
                let others = number::things(self.others as u64, "node");
                format!("{others} with fewer tokens are drawn as one.")
            }),
            table: self.table(),
        };
        frame.draw(markup, |markup| {
            self.columns.iter().for_each(|column| self.draw_column(markup, column));
            self.draw_names(markup);
        });
    }

    /// Texture and name of each area, from the bottom up.
    fn all_names(&self) -> impl Iterator<Item = (usize, String)> {
        let own = self.names.iter().cloned().enumerate();
        own.chain((self.others > 0).then(|| (NODES_MAX, OTHERS.to_owned())))
    }

    /// Share of each area in a column; nothing where no token came.
    fn shares(&self, column: &Slice) -> Vec<f64> {
        let tokens = |name: &str| column.tokens_by_node.get(name).copied().unwrap_or(0) as f64;
        let all: f64 = column.tokens_by_node.values().map(|tokens| *tokens as f64).sum();
        if all == 0.0 {
            return Vec::new();
        }
        let mut shares: Vec<_> = self.names.iter().map(|name| tokens(name) / all).collect();
        if self.others > 0 {
            shares.push((1.0 - shares.iter().sum::<f64>()).max(0.0));
        }
        shares
    }

    fn draw_column(&self, markup: &mut Markup, column: &Slice) {
        let (from, to) = (self.x.place(column.at_ms), self.x.place(column.at_ms + column.length_ms));
        let mut below = 0.0;
        for (texture, share) in self.shares(column).into_iter().enumerate() {
            if share > 0.0 {
                let top = down(below + share);
                let size = (percent((to - from).max(0.0)), down(below) - top);
                pen::area(
                    markup,
                    "area",
                    &icon::texture_fill(texture),
                    (&percent(from), top),
                    (&size.0, (size.1 * 10.0).round() / 10.0),
                );
            }
            below += share;
        }
    }

    /// Beside the last column with tokens, at the middle of each area that is high enough to point at.
    fn draw_names(&self, markup: &mut Markup) {
        let last =
            self.columns.iter().rev().map(|column| self.shares(column)).find(|shares| !shares.is_empty());
        let mut below = 0.0;
        let mut places = Vec::new();
        for ((_, name), share) in self.all_names().zip(last.unwrap_or_default()) {
            if share * HEIGHT >= 2.0 {
                places.push((name, down(below + share / 2.0)));
            }
            below += share;
        }
        let spread = spread(places.iter().map(|(_, place)| *place).collect());
        for ((name, _), place) in places.iter().zip(spread) {
            let name = crate::markup::one_line(name, LABEL_CHARACTERS_MAX);
            pen::text(markup, "name", ("100%", 7.0, place.max(TOP) + MIDDLE), &name);
        }
    }

    fn in_words(&self) -> String {
        let sum = |name: &str| -> f64 {
            self.columns
                .iter()
                .filter_map(|slice| slice.tokens_by_node.get(name))
                .map(|tokens| *tokens as f64)
                .sum()
        };
        let all: f64 =
            self.columns.iter().flat_map(|slice| slice.tokens_by_node.values()).map(|t| *t as f64).sum();
        let named = self.names.iter().map(|name| format!("{name} {}", number::share(sum(name) / all)));
        let names: Vec<_> = named.collect();
        if names.is_empty() { "Nothing was measured.".to_owned() } else { format!("{}.", names.join(", ")) }
    }

    fn table(&self) -> Table {
        let names: Vec<_> = self.all_names().map(|(_, name)| name).collect();
        let heads: Vec<_> = std::iter::once("From").chain(names.iter().map(String::as_str)).collect();
        let mut table = Table::new("Share of each node in the tokens over time", &heads);
        for column in &self.columns {
            let mut shares: Vec<_> = self.shares(column).into_iter().map(number::share).collect();
            shares.resize(names.len(), number::NONE.to_owned());
            let middle = column.at_ms + column.length_ms / 2.0;
            table.push_numbers(Some(self.x.place(middle)), number::duration(column.at_ms), shares);
        }
        table
    }
}
