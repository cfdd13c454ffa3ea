"""Pictures of a topology: `scene` says what is to be drawn, `build` makes a `Picture` of it, and there are four writers."""
