"""What is known about photos besides themselves: depth from stereo, networks or sensors."""
