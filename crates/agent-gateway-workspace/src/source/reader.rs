//! Reads typed values from a tree: lenient with scalars as people write them, exact about where something is wrong.
use std::cell::RefCell;

use serde::de::{
    self, DeserializeSeed, Deserializer, IntoDeserializer, MapAccess, SeqAccess, Visitor,
    value::StrDeserializer,
};
use serde_json::Value;

use super::{
    fault::{Fault, Note, NoteKind, Path},
    node::{Entry, Kind, Node},
    suggest, yaml,
};

pub(super) fn read<T: de::DeserializeOwned>(root: &Node, notes: &RefCell<Vec<Note>>) -> Result<T, Fault> {
    let path = Path::Root;
    T::deserialize(Reader { node: root, path: &path, notes }).map_err(|fault| fault.located(&path))
}

/// `'de` is the tree's life, `'p` that of one level of the reading.
#[derive(Clone, Copy)]
struct Reader<'de, 'p> {
    node: &'de Node,
    path: &'p Path<'p>,
    notes: &'p RefCell<Vec<Note>>,
}

impl<'de> Reader<'de, '_> {
    fn note(&self, kind: NoteKind) {
        let note = Note { path: self.path.to_vec(), place: self.node.place.clone(), kind };
        self.notes.borrow_mut().push(note);
    }

    fn note_old_boolean(&self, text: &str, flag: bool) {
        if yaml::old_boolean(text).is_some() {
            self.note(NoteKind::OldBoolean { text: text.to_owned(), flag });
        }
    }

    fn text(&self) -> Result<&'de str, Fault> {
        match &self.node.kind {
            Kind::Scalar(scalar) => Ok(&scalar.text),
            Kind::Null => Err(Fault::no_value("a text")),
            _ => Err(Fault::wrong(self.node, "a text")),
        }
    }

    fn flag(&self) -> Result<bool, Fault> {
        const WANTED: &str = "true or false";
        let scalar = match &self.node.kind {
            Kind::Scalar(scalar) => scalar,
            Kind::Null => return Err(Fault::no_value(WANTED)),
            _ => return Err(Fault::wrong(self.node, WANTED)),
        };
        if let Value::Bool(flag) = scalar.value {
            self.note_old_boolean(&scalar.text, flag);
            return Ok(flag);
        }
        match scalar.text.trim().to_ascii_lowercase().as_str() {
            "true" | "yes" | "on" | "1" => Ok(true),
            "false" | "no" | "off" | "0" => {
                self.note(NoteKind::LooseFalse);
                Ok(false)
            }
            _ => Err(Fault::wrong(self.node, WANTED)),
        }
    }

    fn number(&self) -> Result<Value, Fault> {
        match &self.node.kind {
            Kind::Scalar(scalar) => match &scalar.value {
                Value::Number(_) => Ok(scalar.value.clone()),
                Value::String(text) => match serde_json::from_str(text.trim()) {
                    Ok(number @ Value::Number(_)) => Ok(number),
                    _ => Err(Fault::wrong(self.node, "a number")),
                },
                _ => Err(Fault::wrong(self.node, "a number")),
            },
            Kind::Null => Err(Fault::no_value("a number")),
            _ => Err(Fault::wrong(self.node, "a number")),
        }
    }

    fn whole<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        let number = self.number()?;
        if let Some(number) = number.as_u64() {
            visitor.visit_u64(number)
        } else if let Some(number) = number.as_i64() {
            visitor.visit_i64(number)
        } else {
            let float = number.as_f64().unwrap_or(f64::NAN);
            if float.fract() == 0.0 && (0.0..9e15).contains(&float) {
                #[expect(
                    clippy::cast_possible_truncation,
                    clippy::cast_sign_loss,
                    reason = "checked: whole, positive, and small enough to be exact"
                )]
                return visitor.visit_u64(float as u64);
            }
            Err(Fault::new("expected a whole number"))
        }
    }

    fn list<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match &self.node.kind {
            Kind::List(items) => visitor.visit_seq(Items { reader: self, items: items.iter().enumerate() }),
            Kind::Null => Err(Fault::no_value("a list")),
            _ => {
                let hint = "write a list, such as `[one, two]`".to_owned();
                Err(Fault { hint, ..Fault::wrong(self.node, "a list") })
            }
        }
    }

    fn map<V: Visitor<'de>>(
        self,
        known: Option<&'static [&'static str]>,
        visitor: V,
    ) -> Result<V::Value, Fault> {
        match &self.node.kind {
            Kind::Map(entries) => {
                visitor.visit_map(Entries { reader: self, known, entries: entries.iter(), current: None })
            }
            Kind::Null => Err(Fault::no_value("a mapping")),
            _ => Err(Fault::wrong(self.node, "a mapping")),
        }
    }
}

macro_rules! whole_numbers {
    ($($method:ident)*) => {
        $(fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
            self.whole(visitor)
        })*
    };
}

impl<'de> Deserializer<'de> for Reader<'de, '_> {
    type Error = Fault;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match &self.node.kind {
            Kind::Absent | Kind::Null => visitor.visit_unit(),
            Kind::List(_) => self.list(visitor),
            Kind::Map(_) => self.map(None, visitor),
            Kind::Scalar(scalar) => {
                if let Value::Bool(flag) = scalar.value {
                    self.note_old_boolean(&scalar.text, flag);
                }
                scalar.value.clone().deserialize_any(visitor).map_err(de::Error::custom)
            }
        }
    }

    whole_numbers! {
        deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64
        deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        visitor.visit_bool(self.flag()?)
    }

    fn deserialize_f32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        self.deserialize_f64(visitor)
    }

    fn deserialize_f64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        visitor.visit_f64(self.number()?.as_f64().unwrap_or(f64::NAN))
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        visitor.visit_str(self.text()?)
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        visitor.visit_str(self.text()?)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match self.node.kind {
            Kind::Absent | Kind::Null => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Fault> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        self.list(visitor)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        self.map(None, visitor)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        self.map(Some(fields), visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        let text = self.text()?;
        if variants.contains(&text) {
            return visitor.visit_enum(IntoDeserializer::<Fault>::into_deserializer(text));
        }
        let mut fault = Fault::new(format!("is not one of {}", variants.join(", ")));
        if let Some(known) = suggest::nearest(text, variants.iter().copied()) {
            fault.hint = format!("did you mean `{known}`?");
        }
        Err(fault)
    }

    serde::forward_to_deserialize_any! {
        i128 u128 char bytes byte_buf unit unit_struct tuple tuple_struct identifier ignored_any
    }
}

struct Items<'de, 'p, I> {
    reader: Reader<'de, 'p>,
    items: I,
}

impl<'de, I: Iterator<Item = (usize, &'de Node)>> SeqAccess<'de> for Items<'de, '_, I> {
    type Error = Fault;

    fn next_element_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, Fault> {
        let Some((index, node)) = self.items.by_ref().find(|(_, node)| node.kind != Kind::Absent) else {
            return Ok(None);
        };
        let path = Path::Index(self.reader.path, index);
        within(seed, node, &path, self.reader.notes).map(Some)
    }
}

struct Entries<'de, 'p, I> {
    reader: Reader<'de, 'p>,
    known: Option<&'static [&'static str]>,
    entries: I,
    current: Option<&'de Entry>,
}

impl<'de, I: Iterator<Item = &'de Entry>> MapAccess<'de> for Entries<'de, '_, I> {
    type Error = Fault;

    fn next_key_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, Fault> {
        for entry in self.entries.by_ref().filter(|entry| entry.node.kind != Kind::Absent) {
            match self.known {
                Some(known) if !known.contains(&entry.key.as_str()) => {
                    let path = Path::Key(self.reader.path, &entry.key);
                    let place = entry.place.clone();
                    let kind = NoteKind::UnknownKey { known };
                    self.reader.notes.borrow_mut().push(Note { path: path.to_vec(), place, kind });
                }
                _ => {
                    self.current = Some(entry);
                    let key: StrDeserializer<'_, Fault> = entry.key.as_str().into_deserializer();
                    return seed.deserialize(key).map(Some);
                }
            }
        }
        Ok(None)
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, Fault> {
        let Some(entry) = self.current.take() else { return Err(Fault::new("a value without its key")) };
        let path = Path::Key(self.reader.path, &entry.key);
        within(seed, &entry.node, &path, self.reader.notes)
    }
}

/// Reads a part; what goes wrong in it is its fault, not that of the whole.
fn within<'de, S: DeserializeSeed<'de>>(
    seed: S,
    node: &'de Node,
    path: &Path<'_>,
    notes: &RefCell<Vec<Note>>,
) -> Result<S::Value, Fault> {
    seed.deserialize(Reader { node, path, notes }).map_err(|fault| fault.located(path))
}
