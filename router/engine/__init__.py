"""The part that remembers and acts: store, intake, dispatch, and what follows a delivery home."""
