//! strowger-sdp.
