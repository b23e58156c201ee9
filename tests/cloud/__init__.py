"""A real Keystone and Glance on loopback, for tests: installed, started, reset and stopped from here."""
