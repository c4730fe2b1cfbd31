//! Makes a new project.
use std::{fs, path::Path, process::ExitCode};

use anyhow::{Context, Result, bail};

use crate::{
    args::Init,
    output::{self, line},
};

/// The files of a new project; `{name}` stands for its name.
const FILES: &[(&str, &str)] = &[
    ("workspace/gateway.yaml", include_str!("../template/gateway.yaml")),
    ("workspace/agents/assistant/AGENT.md", include_str!("../template/AGENT.md")),
    ("workspace/agents/assistant/BEHAVIOR.md", include_str!("../template/BEHAVIOR.md")),
    ("workspace/skills/time/SKILL.md", include_str!("../template/SKILL.md")),
    ("workspace/tools/current-time/TOOL.md", include_str!("../template/TOOL.md")),
    ("workspace/tools/current-time/handler.py", include_str!("../template/handler.py")),
    (".env.example", include_str!("../template/env.example")),
    (".gitignore", include_str!("../template/gitignore")),
];

pub(crate) fn init(args: &Init) -> Result<ExitCode> {
    let root = &args.name;
    let name = root.file_name().and_then(|name| name.to_str()).context("the project needs a name")?;
    let fits = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_' || c == '.');
    if !fits {
        bail!("'{name}' is no good name for a project: use letters, digits, '-', '_' and '.'");
    }
    if root.exists() {
        bail!("directory '{}' already exists", root.display());
    }
    for (path, text) in FILES {
        write(&root.join(path), &text.replace("{name}", name))?;
    }
    if args.json {
        let files: Vec<&str> = FILES.iter().map(|(path, _)| *path).collect();
        output::json(&serde_json::json!({"project": root, "files": files}))?;
    } else {
        line(format_args!("Created project '{}'.\n\nNext steps:", root.display()));
        line(format_args!("  cd {}\n  agent-gateway check\n  agent-gateway serve", root.display()));
    }
    Ok(ExitCode::SUCCESS)
}

fn write(path: &Path, text: &str) -> Result<()> {
    if let Some(directory) = path.parent() {
        fs::create_dir_all(directory)
            .with_context(|| format!("'{}' could not be made", directory.display()))?;
    }
    fs::write(path, text).with_context(|| format!("'{}' could not be written", path.display()))
}
