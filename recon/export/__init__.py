"""What people keep: splats, pictures and videos of a trained model."""
