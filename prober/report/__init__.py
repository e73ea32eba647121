"""Findings and pictures as Markdown, as a page to browse, and in TensorBoard."""
