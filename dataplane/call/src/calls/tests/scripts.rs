//! The behaviour of calls, scene by scene.

mod asking;
mod hunting;
mod originating;
mod redirecting;
mod restart;
mod talking;
mod time;
