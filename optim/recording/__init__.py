"""Recording the steps of an optimizer into a folder, and reading them."""
