"""From a file to a CNN's weights, without running anything that the file holds."""
