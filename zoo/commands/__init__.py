"""Every command of `zoo` on models and data, and the tables that people read."""
