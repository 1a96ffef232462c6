//! The behaviour of calls, scene by scene.

mod asking;
mod hunting;
mod originating;
mod talking;
mod time;
