//! The sandbox that is asked: what really became of the cards, and how D1 is made to fail.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};

use crate::Result;

/// A sandbox in a process of its own, which outlives the killed ones.
pub(crate) struct Sandbox {
    process: Child,
    pub(crate) environment: Vec<(String, String)>,
    control: String,
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Sandbox {
    pub(crate) fn start(d1: &Path, folder: &Path, cards: &Path) -> Result<Self> {
        let mut process = Command::new(d1)
            .args(["sandbox", "--quiet", "--control-port", "0", "--dir"])
            .arg(folder.join("sandbox"))
            .arg("--cards")
            .arg(cards)
            .stdout(Stdio::piped())
            .spawn()?;
        let output = process.stdout.take().ok_or("no output")?;
        let mut environment = Vec::new();
        for line in BufReader::new(output).lines() {
            let line = line?;
            let export = line.strip_prefix("export ").ok_or("no export")?;
            let (name, value) = export.split_once('=').ok_or("no value")?;
            environment.push((name.to_owned(), value.trim_matches('\'').to_owned()));
            if name == "D1_CONTROL_URL" {
                break;
            }
        }
        let control = environment
            .last()
            .ok_or("the sandbox did not start")?
            .1
            .clone();
        Ok(Self {
            process,
            environment,
            control,
        })
    }

    /// How many operations each card has had, by the sandbox's own books.
    pub(crate) fn operations(&self) -> Result<BTreeMap<String, u64>> {
        let state: Value = serde_json::from_slice(&self.control("GET", "/api/state", None)?)?;
        let cards = state["cards"].as_array().ok_or("no cards")?;
        let count = |card: &Value| {
            Some((
                card["id"].as_str()?.to_owned(),
                card["operations"].as_u64()?,
            ))
        };
        Ok(cards.iter().filter_map(count).collect())
    }

    /// Makes some calls fail, in ways that leave a change in doubt and in some that do not.
    pub(crate) fn misbehave(&self) -> Result<()> {
        for (kind, more) in [
            ("disconnect", json!({ "afterEffect": true })),
            ("disconnect", json!({})),
            ("stall", json!({ "afterEffect": true })),
            ("truncate", json!({})),
            ("status", json!({ "status": 503, "afterEffect": true })),
            ("status", json!({ "status": 429 })),
        ] {
            let mut fault = json!({
                "kind": kind,
                "operation": "suspendCard",
                "probability": 0.0005,
                "times": u32::MAX,
            });
            if let (Some(fault), Value::Object(more)) = (fault.as_object_mut(), more) {
                fault.extend(more);
            }
            self.control("POST", "/api/faults", Some(&fault))?;
        }
        Ok(())
    }

    fn control(&self, method: &str, path: &str, body: Option<&Value>) -> Result<Vec<u8>> {
        let host = self
            .control
            .strip_prefix("http://")
            .ok_or("no control port")?;
        let mut connection = TcpStream::connect(host)?;
        let body = body.map(Value::to_string).unwrap_or_default();
        let length = body.len();
        let head = format!(
            "{method} {path} HTTP/1.0\r\nhost: {host}\r\ncontent-type: application/json\r\n\
             content-length: {length}\r\n\r\n"
        );
        connection.write_all((head + &body).as_bytes())?;
        let mut answer = Vec::new();
        connection.read_to_end(&mut answer)?;
        let end = answer
            .windows(4)
            .position(|end| end == b"\r\n\r\n")
            .ok_or("no answer")?;
        let is_good = answer.get(9..10) == Some(b"2");
        if !is_good {
            return Err(format!("{method} {path} failed").into());
        }
        Ok(answer.split_off(end + 4))
    }
}
