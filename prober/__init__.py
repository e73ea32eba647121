"""The Prober: what the channels, neurons and classes of a trained CNN want to see."""
