"""Structure from motion: photos to cameras and sparse points.

`recon.sfm.poses.pose_photos` is the way in. COLMAP runs in a child process (`worker.py`), which must start fast, so
this file imports nothing.
"""
