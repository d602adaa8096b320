"""A cluster without one: manifests, admission, nodes that run pods, images and a registry."""
