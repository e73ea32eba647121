"""What the images say of a unit: interventions, tuning curves, facets, real data, trust."""
