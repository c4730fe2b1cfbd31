//! A gateway that knows both backends by name. What it uses is what `gateway.yaml` says.
use agent_gateway::{Catalog, Gateway};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let catalog = Catalog::builtin()
        .with_persistence("journal", custom_backend::open_journal)
        .with_queue("spool", custom_backend::open_spool);
    let gateway = Gateway::builder("examples/custom-backend/workspace")
        .use_catalog(catalog)
        .auth_from_workspace()
        .build()
        .await?;
    gateway.run(([127, 0, 0, 1], 8000).into()).await?;
    Ok(())
}
