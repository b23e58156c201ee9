"""A real Keystone and Glance on loopback for tests: installs, starts, resets and stops them."""
