//! Small tables: aligned for people, tab-separated for programs. Knows no colors and does not wrap.

use comfy_table::presets::NOTHING;

use formats::text::{clean, push_clean};

/// A table that is filled row by row and rendered once.
#[derive(Debug, Clone)]
pub(crate) struct Table {
    headers: Vec<String>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// Starts a table.
    pub(crate) fn new<T: Into<String>>(headers: impl IntoIterator<Item = T>) -> Self {
        Self { headers: headers.into_iter().map(Into::into).collect(), rows: Vec::new() }
    }

    /// Adds a row of texts as they are: rendering makes them safe, and cleaned text would be escaped twice.
    ///
    /// Missing cells are empty.
    pub(crate) fn row<T: Into<String>>(&mut self, cells: impl IntoIterator<Item = T>) -> &mut Self {
        let mut cells: Vec<String> = cells.into_iter().map(Into::into).collect();
        cells.resize(cells.len().max(self.headers.len()), String::new());
        self.rows.push(cells);
        self
    }

    /// Renders the table, header line first, each line ended by LF.
    ///
    /// For a terminal the columns are aligned. Else the cells are separated by tabs, and backslash, tab, line
    /// feed and everything else that steers a terminal is escaped in them.
    pub(crate) fn render(&self, is_terminal: bool) -> String {
        if is_terminal { self.aligned() } else { self.tab_separated() }
    }

    fn aligned(&self) -> String {
        let mut table = comfy_table::Table::new();
        table.load_style(NOTHING);
        table.set_header(self.headers.iter().map(|cell| clean(cell)));
        table.add_rows(self.rows.iter().map(|row| row.iter().map(|cell| clean(cell))));
        table.column_iter_mut().for_each(|column| {
            column.set_padding((0, 2));
        });
        table.lines().map(|line| format!("{}\n", line.trim_end())).collect()
    }

    fn tab_separated(&self) -> String {
        let line = |cells: &Vec<String>| {
            let cells: Vec<String> = cells.iter().map(|cell| tab_cell(cell)).collect();
            format!("{}\n", cells.join("\t"))
        };
        std::iter::once(&self.headers).chain(&self.rows).map(line).collect()
    }
}

fn tab_cell(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if c == '\\' { out.push_str("\\\\") } else { push_clean(&mut out, c) }
    }
    out
}
