//! Which backend serves a model: what the configuration wants, what this build has, and what stands against it.

use pomona_config::BackendChoice;

use super::EngineError;
use crate::backend::Accelerator;
use crate::checkpoint::Checkpoint;

/// The accelerator that serves a model, or none for the CPU.
pub(super) fn choose<'a>(
    choice: BackendChoice,
    accelerator: Option<&'a dyn Accelerator>,
    checkpoint: &Checkpoint,
) -> Result<Option<&'a dyn Accelerator>, EngineError> {
    let refuse = |message: String| Err(EngineError::Load { message });
    let Some(accelerator) = accelerator.filter(|_| choice != BackendChoice::Cpu) else {
        return match choice {
            BackendChoice::Mlx => refuse(
                "engine.backend is mlx, and this program was built without it: build it on macOS, or on Linux with \
                 `cargo xtask mlx-linux build --package pomona-node`, or set engine.backend to auto"
                    .to_owned(),
            ),
            BackendChoice::Auto | BackendChoice::Cpu => Ok(None),
        };
    };
    let name = accelerator.name();
    match (accelerator.obstacle(checkpoint), choice) {
        (None, _) => Ok(Some(accelerator)),
        (Some(obstacle), BackendChoice::Mlx) => refuse(format!(
            "engine.backend is {name}, which cannot run this model: {obstacle}; set engine.backend to auto or cpu"
        )),
        (Some(obstacle), _) => {
            tracing::info!(%obstacle, "this model runs on the CPU and not on {name}");
            Ok(None)
        }
    }
}
