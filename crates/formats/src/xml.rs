//! XML as the formats here need it: elements, attributes and texts, one element a line. Every text is made visible
//! first, because XML 1.0 has no way to write most control characters, not even as references (section 2.2).

use std::io::{self, Write};

use quick_xml::events::{BytesDecl, BytesEnd, BytesStart, BytesText, Event};

use crate::text::{clean, clean_lines};

/// Attributes of an element, in order.
type Attributes<'a> = &'a [(&'a str, &'a str)];

/// Writes a document from its first line on.
pub(crate) struct Xml<'o> {
    writer: quick_xml::Writer<&'o mut dyn Write>,
}

impl<'o> Xml<'o> {
    /// Begins a document.
    pub(crate) fn begin(out: &'o mut dyn Write) -> io::Result<Self> {
        let mut writer = quick_xml::Writer::new_with_indent(out, b' ', 2);
        writer.write_event(Event::Decl(BytesDecl::new("1.0", Some("UTF-8"), None)))?;
        Ok(Self { writer })
    }

    /// Ends the last line.
    pub(crate) fn end(mut self) -> io::Result<()> {
        self.writer.get_mut().write_all(b"\n")
    }

    /// Writes an element and, by `inside`, what stands in it.
    pub(crate) fn element(
        &mut self,
        name: &str,
        attributes: Attributes<'_>,
        inside: impl FnOnce(&mut Self) -> io::Result<()>,
    ) -> io::Result<()> {
        self.writer.write_event(Event::Start(start(name, attributes)))?;
        inside(self)?;
        self.writer.write_event(Event::End(BytesEnd::new(name)))
    }

    /// Writes an element with nothing in it.
    pub(crate) fn empty(&mut self, name: &str, attributes: Attributes<'_>) -> io::Result<()> {
        self.writer.write_event(Event::Empty(start(name, attributes)))
    }

    /// Writes an element with a text in it. Line feeds stay.
    pub(crate) fn text(&mut self, name: &str, attributes: Attributes<'_>, text: &str) -> io::Result<()> {
        if text.is_empty() {
            return self.empty(name, attributes);
        }
        self.element(name, attributes, |xml| {
            xml.writer.write_event(Event::Text(BytesText::new(&clean_lines(text))))
        })
    }
}

fn start<'a>(name: &'a str, attributes: Attributes<'_>) -> BytesStart<'a> {
    let mut start = BytesStart::new(name);
    for (name, value) in attributes {
        start.push_attribute((*name, clean(value).as_str()));
    }
    start
}

/// Turns any text into part of a name without colons (XML namespaces, NCName): what is no plain letter, digit, hyphen
/// or underscore stands as its bytes in hexadecimal between dots, so that two texts never become one.
pub(crate) fn name_part(text: &str) -> String {
    let mut part = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_' {
            part.push(char::from(byte));
        } else {
            part.push_str(&format!(".{byte:02x}."));
        }
    }
    part
}
