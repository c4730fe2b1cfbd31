//! RESP: `AUTH` where there is a password, then `PING`.

use std::io::{Read, Write};

use anyhow::{Result, bail};

use super::{Address, Answer};

pub(super) fn ask(stream: &mut (impl Read + Write), address: &Address) -> Result<Answer> {
    if let Some(password) = &address.password {
        let mut parts = vec!["AUTH"];
        parts.extend([address.user.as_str()].iter().filter(|user| !user.is_empty()));
        parts.push(password);
        expect(stream, &parts, "+OK")?;
    }
    expect(stream, &["PING"], "+PONG")?;
    Ok(Answer::Ready)
}

fn expect(stream: &mut (impl Read + Write), parts: &[&str], wanted: &str) -> Result<()> {
    let mut request = format!("*{}\r\n", parts.len());
    for part in parts {
        request.push_str(&format!("${}\r\n{part}\r\n", part.len()));
    }
    stream.write_all(request.as_bytes())?;
    let said = line(stream)?;
    if said == wanted {
        return Ok(());
    }
    match said.strip_prefix('-') {
        Some(error) => bail!("it says {error}"),
        None => bail!("it speaks another protocol"),
    }
}

fn line(stream: &mut impl Read) -> Result<String> {
    let mut bytes = Vec::new();
    let mut byte = [0];
    while !bytes.ends_with(b"\r\n") {
        if bytes.len() > 512 {
            bail!("it speaks another protocol");
        }
        stream.read_exact(&mut byte)?;
        bytes.extend(byte);
    }
    Ok(String::from_utf8_lossy(&bytes).trim_end().to_owned())
}
