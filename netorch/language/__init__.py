"""From text to a tree with positions: YAML, ranges, variables, profiles, and the scalar values. Knows no kind and no kernel."""
