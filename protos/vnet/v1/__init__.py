"""Version 1 of the virtual network's values, one file for each subject; see the `.proto` files."""
