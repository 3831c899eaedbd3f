//! Reads the two pickles of a queue file, whether Listgate or Mailman wrote it, without executing any of it.
//!
//! A pickle is a program for a stack machine. This machine knows the opcodes that Mailman and Listgate write
//! (protocols 1 to 5, as in Python 3). It records calls and objects, but never performs or creates them.

use crate::limits;
use std::borrow::Cow;
use std::collections::HashMap;

/// The reason why a pickle cannot be read.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub(crate) enum PickleError {
    #[error("opcode {opcode:#04x} at offset {offset} is none that Mailman writes")]
    Opcode { opcode: u8, offset: usize },
    #[error("the file ends within a value, at offset {0}")]
    Short(usize),
    #[error("what opcode {opcode:#04x} at offset {offset} works on is not there")]
    Operand { opcode: u8, offset: usize },
    #[error("it has more values than any message of Mailman")]
    TooMany,
    #[error("the text of opcode {opcode:#04x} at offset {offset} is not a number")]
    Number { opcode: u8, offset: usize },
}

impl PickleError {
    /// Returns the same error for a file with `before` octets in front of the pickle.
    pub(super) fn behind(self, before: usize) -> Self {
        match self {
            Self::Opcode { opcode, offset } => Self::Opcode { opcode, offset: offset + before },
            Self::Short(offset) => Self::Short(offset + before),
            Self::Operand { opcode, offset } => Self::Operand { opcode, offset: offset + before },
            Self::TooMany => Self::TooMany,
            Self::Number { opcode, offset } => Self::Number { opcode, offset: offset + before },
        }
    }
}

/// The index of a node of a [`Pickle`].
pub(super) type Id = usize;

/// A value. Text is kept as octets, because Python writes a lone surrogate for an octet that is not text.
#[derive(Debug)]
pub(super) enum Node<'f> {
    None,
    Bool(bool),
    Int(i128),
    Float(f64),
    Text(&'f [u8]),
    Octets(&'f [u8]),
    /// Lists and sets.
    List(Vec<Id>),
    Tuple(Vec<Id>),
    Dict(Vec<(Id, Id)>),
    Global {
        module: Cow<'f, str>,
        name: Cow<'f, str>,
    },
    /// A call of `class`, or an object that Python would create with it, and the state that was set afterwards.
    Object {
        class: Id,
        args: Id,
        state: Option<Id>,
    },
}

/// One pickle: its values, one of which is the result.
#[derive(Debug)]
pub(super) struct Pickle<'f> {
    nodes: Vec<Node<'f>>,
    result: Id,
    /// Its length in octets.
    pub(super) len: usize,
}

impl<'f> Pickle<'f> {
    /// Reads one pickle from the beginning of `file`.
    pub(super) fn read(file: &'f [u8]) -> Result<Self, PickleError> {
        let mut machine = Machine::new(file);
        loop {
            let (opcode, offset) = (machine.octet()?, machine.at - 1);
            machine.now = (opcode, offset);
            if opcode == b'.' {
                let result = machine.pop()?;
                return Ok(Self { nodes: machine.nodes, result, len: machine.at });
            }
            machine.step(opcode)?;
        }
    }

    pub(super) fn result(&self) -> Id {
        self.result
    }

    pub(super) fn node(&self, id: Id) -> &Node<'f> {
        &self.nodes[id]
    }

    /// Returns the value of a key that is text.
    pub(super) fn get(&self, dict: Id, key: &str) -> Option<Id> {
        let Node::Dict(items) = self.node(dict) else { return None };
        let is_key = |id: Id| matches!(self.node(id), Node::Text(text) if *text == key.as_bytes());
        items.iter().rev().find(|(id, _)| is_key(*id)).map(|(_, value)| *value)
    }

    /// Returns the `module.name` of a global, or of an object's class.
    pub(super) fn class(&self, id: Id) -> Option<String> {
        let id = if let Node::Object { class, .. } = self.node(id) { *class } else { id };
        match self.node(id) {
            Node::Global { module, name } => Some(format!("{module}.{name}")),
            _ => None,
        }
    }

    /// Returns the arguments that an object was created with.
    pub(super) fn args(&self, id: Id) -> &[Id] {
        match self.node(id) {
            Node::Object { args, .. } => match self.node(*args) {
                Node::Tuple(args) => args,
                _ => &[],
            },
            _ => &[],
        }
    }
}

/// The stack machine.
struct Machine<'f> {
    file: &'f [u8],
    at: usize,
    /// The current opcode and its offset.
    now: (u8, usize),
    nodes: Vec<Node<'f>>,
    stack: Vec<Id>,
    /// The height of the stack at each mark.
    marks: Vec<usize>,
    memo: HashMap<u64, Id>,
}

impl<'f> Machine<'f> {
    fn new(file: &'f [u8]) -> Self {
        Self {
            file,
            at: 0,
            now: (0, 0),
            nodes: Vec::new(),
            stack: Vec::new(),
            marks: Vec::new(),
            memo: HashMap::new(),
        }
    }

    fn step(&mut self, opcode: u8) -> Result<(), PickleError> {
        match opcode {
            // PROTO and FRAME are skipped: the opcodes that follow are self-describing.
            0x80 => self.take(1).map(drop),
            0x95 => self.take(8).map(drop),
            b'N' => self.push(Node::None),
            0x88 | 0x89 => self.push(Node::Bool(opcode == 0x88)),
            b'J' | b'K' | b'M' | 0x8a | b'I' | b'L' | b'G' => self.number(opcode),
            b'X' | 0x8c | 0x8d | b'B' | b'C' | 0x8e => self.text_or_octets(opcode),
            b')' => self.push(Node::Tuple(Vec::new())),
            b']' | 0x8f => self.push(Node::List(Vec::new())),
            b'}' => self.push(Node::Dict(Vec::new())),
            b'(' => {
                self.marks.push(self.stack.len());
                Ok(())
            }
            b't' | 0x85 | 0x86 | 0x87 => {
                let items = if opcode == b't' { self.pop_mark()? } else { self.pop_all(opcode - 0x84)? };
                self.push(Node::Tuple(items))
            }
            // FROZENSET
            0x91 => {
                let items = self.pop_mark()?;
                self.push(Node::List(items))
            }
            b'a' | b'e' | 0x90 | b's' | b'u' => self.add(opcode),
            b'q' | b'r' | 0x94 | b'h' | b'j' => self.memo(opcode),
            b'c' | 0x93 | b'R' | 0x81 | b'b' => self.object(opcode),
            b'0' => self.pop().map(drop),
            _ => Err(PickleError::Opcode { opcode, offset: self.now.1 }),
        }
    }

    fn number(&mut self, opcode: u8) -> Result<(), PickleError> {
        let node = match opcode {
            b'J' => Node::Int(i32::from_le_bytes(self.array()?).into()),
            b'K' => Node::Int(self.octet()?.into()),
            b'M' => Node::Int(u16::from_le_bytes(self.array()?).into()),
            b'G' => Node::Float(f64::from_be_bytes(self.array()?)),
            0x8a => {
                let len = self.octet()?;
                let octets = self.take(len.into())?;
                let negative = octets.last().is_some_and(|last| *last >= 0x80);
                let mut all = [if negative { 0xff } else { 0 }; 16];
                let wanted = all.get_mut(..octets.len()).ok_or_else(|| self.no_number())?;
                wanted.copy_from_slice(octets);
                Node::Int(i128::from_le_bytes(all))
            }
            // INT and LONG are lines of text; in protocol 1, two of these lines mean True and False.
            _ => match self.line()? {
                "01" => Node::Bool(true),
                "00" => Node::Bool(false),
                text => {
                    let digits = text.strip_suffix('L').unwrap_or(text);
                    Node::Int(digits.parse().map_err(|_| self.no_number())?)
                }
            },
        };
        self.push(node)
    }

    fn text_or_octets(&mut self, opcode: u8) -> Result<(), PickleError> {
        let len = match opcode {
            0x8c | b'C' => self.octet()?.into(),
            b'X' | b'B' => u32::from_le_bytes(self.array()?).into(),
            _ => u64::from_le_bytes(self.array()?),
        };
        let octets = self.take(len)?;
        self.push(if matches!(opcode, b'B' | b'C' | 0x8e) {
            Node::Octets(octets)
        } else {
            Node::Text(octets)
        })
    }

    /// Adds what is on top of the stack to the list, set or dict below it.
    fn add(&mut self, opcode: u8) -> Result<(), PickleError> {
        let items = match opcode {
            b'a' => self.pop_all(1)?,
            b's' => self.pop_all(2)?,
            _ => self.pop_mark()?,
        };
        let wrong = self.no_operand();
        let target = *self.stack.last().ok_or_else(|| self.no_operand())?;
        match &mut self.nodes[target] {
            Node::List(list) if !matches!(opcode, b's' | b'u') => list.extend(items),
            Node::Dict(dict) if matches!(opcode, b's' | b'u') && items.len().is_multiple_of(2) => {
                dict.extend(items.chunks_exact(2).map(|pair| (pair[0], pair[1])));
            }
            _ => return Err(wrong),
        }
        Ok(())
    }

    /// Stores the top of the stack in the memo, or pushes a value from the memo.
    fn memo(&mut self, opcode: u8) -> Result<(), PickleError> {
        let key = match opcode {
            b'q' | b'h' => self.octet()?.into(),
            b'r' | b'j' => u32::from_le_bytes(self.array()?).into(),
            _ => self.memo.len() as u64,
        };
        if matches!(opcode, b'h' | b'j') {
            let id = *self.memo.get(&key).ok_or_else(|| self.no_operand())?;
            self.stack.push(id);
        } else {
            let id = *self.stack.last().ok_or_else(|| self.no_operand())?;
            self.memo.insert(key, id);
        }
        Ok(())
    }

    fn object(&mut self, opcode: u8) -> Result<(), PickleError> {
        if opcode == b'c' {
            let (module, name) = (self.line()?.into(), self.line()?.into());
            return self.push(Node::Global { module, name });
        }
        let (first, second) = {
            let both = self.pop_all(2)?;
            (both[0], both[1])
        };
        match opcode {
            // STACK_GLOBAL
            0x93 => match (&self.nodes[first], &self.nodes[second]) {
                (Node::Text(module), Node::Text(name)) => {
                    let (module, name) = (String::from_utf8_lossy(module), String::from_utf8_lossy(name));
                    self.push(Node::Global { module, name })
                }
                _ => Err(self.no_operand()),
            },
            // BUILD
            b'b' => {
                let wrong = self.no_operand();
                let Node::Object { state, .. } = &mut self.nodes[first] else { return Err(wrong) };
                *state = Some(second);
                self.stack.push(first);
                Ok(())
            }
            // REDUCE, NEWOBJ
            _ => self.push(Node::Object { class: first, args: second, state: None }),
        }
    }

    fn push(&mut self, node: Node<'f>) -> Result<(), PickleError> {
        if self.nodes.len() == limits::PICKLE_VALUES {
            return Err(PickleError::TooMany);
        }
        self.stack.push(self.nodes.len());
        self.nodes.push(node);
        Ok(())
    }

    /// Pops the top of the stack. As in Python, what is below a mark is out of reach.
    fn pop(&mut self) -> Result<Id, PickleError> {
        let floor = self.marks.last().copied().unwrap_or(0);
        let id = if self.stack.len() > floor { self.stack.pop() } else { None };
        id.ok_or_else(|| self.no_operand())
    }

    fn pop_all(&mut self, count: u8) -> Result<Vec<Id>, PickleError> {
        let mut ids = (0..count).map(|_| self.pop()).collect::<Result<Vec<_>, _>>()?;
        ids.reverse();
        Ok(ids)
    }

    fn pop_mark(&mut self) -> Result<Vec<Id>, PickleError> {
        let mark = self.marks.pop().ok_or_else(|| self.no_operand())?;
        Ok(self.stack.split_off(mark))
    }

    fn take(&mut self, len: u64) -> Result<&'f [u8], PickleError> {
        let rest = &self.file[self.at..];
        let len = usize::try_from(len).ok().filter(|len| *len <= rest.len());
        let len = len.ok_or(PickleError::Short(self.at))?;
        self.at += len;
        Ok(&rest[..len])
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], PickleError> {
        let octets = self.take(N as u64)?;
        Ok(std::array::from_fn(|at| octets[at]))
    }

    fn octet(&mut self) -> Result<u8, PickleError> {
        self.array::<1>().map(|[octet]| octet)
    }

    /// Reads a line of ASCII, which old protocols use.
    fn line(&mut self) -> Result<&'f str, PickleError> {
        let rest = &self.file[self.at..];
        let len = memchr::memchr(b'\n', rest).ok_or(PickleError::Short(self.at))?;
        self.at += len + 1;
        std::str::from_utf8(&rest[..len]).map_err(|_| self.no_number())
    }

    fn no_operand(&self) -> PickleError {
        let (opcode, offset) = self.now;
        PickleError::Operand { opcode, offset }
    }

    fn no_number(&self) -> PickleError {
        let (opcode, offset) = self.now;
        PickleError::Number { opcode, offset }
    }
}
