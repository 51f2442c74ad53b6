//! Turning stored values into types: an unknown value is an error that names table, column and row.

use std::fmt::Display;
use std::str::FromStr;

use model::Timestamp;
use sqlx::{Decode, Postgres, Sqlite, Type};

use crate::StoreError;
use crate::db::Row;

/// Reads the columns of one row of `table`; `key` names the row in errors.
pub(crate) struct Reader<'r> {
    pub(crate) table: &'static str,
    pub(crate) key: String,
    pub(crate) row: &'r Row,
}

impl<'r> Reader<'r> {
    /// Begins to read a row; its key is the text of `key_column`.
    pub(crate) fn new(
        table: &'static str,
        key_column: &'static str,
        row: &'r Row,
    ) -> Result<Self, StoreError> {
        let mut reader = Self { table, key: String::new(), row };
        match reader.text(key_column) {
            Ok(key) => reader.key = key,
            Err(err) => {
                // The error names the row as far as its key reads.
                let bytes: Vec<u8> = row.get(key_column).unwrap_or_default();
                reader.key = String::from_utf8_lossy(&bytes).into_owned();
                return Err(reader.bad(key_column, &err));
            }
        }
        Ok(reader)
    }

    fn get<T>(&self, column: &'static str) -> Result<T, StoreError>
    where
        T: Decode<'r, Sqlite> + Type<Sqlite> + Decode<'r, Postgres> + Type<Postgres>,
    {
        self.row.get(column).map_err(|err| self.bad(column, &err))
    }

    fn bad(&self, column: &'static str, problem: &dyn Display) -> StoreError {
        StoreError::Row { table: self.table, column, row: self.key.clone(), problem: problem.to_string() }
    }

    pub(crate) fn text(&self, column: &'static str) -> Result<String, StoreError> {
        self.get(column)
    }

    pub(crate) fn bytes(&self, column: &'static str) -> Result<Vec<u8>, StoreError> {
        self.get(column)
    }

    pub(crate) fn int(&self, column: &'static str) -> Result<i64, StoreError> {
        self.get(column)
    }

    pub(crate) fn maybe_int(&self, column: &'static str) -> Result<Option<i64>, StoreError> {
        self.get(column)
    }

    pub(crate) fn flag(&self, column: &'static str) -> Result<bool, StoreError> {
        match self.int(column)? {
            0 => Ok(false),
            1 => Ok(true),
            other => Err(self.bad(column, &format_args!("{other} is neither 0 nor 1"))),
        }
    }

    /// Reads an integer into a narrower or unsigned type.
    pub(crate) fn number<T>(&self, column: &'static str) -> Result<T, StoreError>
    where
        T: TryFrom<i64>,
        T::Error: Display,
    {
        T::try_from(self.int(column)?).map_err(|err| self.bad(column, &err))
    }

    /// As [`Reader::number`], of a column that may be null.
    pub(crate) fn maybe_number<T>(&self, column: &'static str) -> Result<Option<T>, StoreError>
    where
        T: TryFrom<i64>,
        T::Error: Display,
    {
        let number = self.maybe_int(column)?;
        number.map(|number| T::try_from(number).map_err(|err| self.bad(column, &err))).transpose()
    }

    pub(crate) fn instant(&self, column: &'static str) -> Result<Timestamp, StoreError> {
        self.int(column).map(Timestamp::from_micros)
    }

    pub(crate) fn maybe_instant(&self, column: &'static str) -> Result<Option<Timestamp>, StoreError> {
        Ok(self.maybe_int(column)?.map(Timestamp::from_micros))
    }

    /// Reads a text of a closed set, an id or a digest.
    pub(crate) fn parsed<T>(&self, column: &'static str) -> Result<T, StoreError>
    where
        T: FromStr,
        T::Err: Display,
    {
        self.text(column)?.parse().map_err(|err: T::Err| self.bad(column, &err))
    }

    pub(crate) fn maybe_parsed<T>(&self, column: &'static str) -> Result<Option<T>, StoreError>
    where
        T: FromStr,
        T::Err: Display,
    {
        let text: Option<String> = self.get(column)?;
        text.map(|text| text.parse().map_err(|err: T::Err| self.bad(column, &err))).transpose()
    }

    /// Reads a column that is not used in this row.
    pub(crate) fn null(&self, column: &'static str) -> Result<(), StoreError> {
        match self.maybe_text(column)? {
            None => Ok(()),
            Some(text) => Err(self.bad(column, &format_args!("{text:?} stands where nothing belongs"))),
        }
    }

    pub(crate) fn maybe_text(&self, column: &'static str) -> Result<Option<String>, StoreError> {
        self.get(column)
    }

    /// Reads one of a small set of written names.
    pub(crate) fn one_of<T: Copy>(&self, column: &'static str, names: &[(&str, T)]) -> Result<T, StoreError> {
        let text = self.text(column)?;
        names
            .iter()
            .find(|(name, _)| *name == text)
            .map(|(_, value)| *value)
            .ok_or_else(|| self.bad(column, &format_args!("unknown name {text:?}")))
    }
}
