"""DERMS: what groups are asked is held by their members, whatever becomes of them."""
