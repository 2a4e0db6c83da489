"""Triangle meshes of whatever renders: depth maps fused, cleaned, textured from the photos, written and measured."""
