"""The commands of ``ghostnet``: arguments, and what they call.

These modules are imported before torch and the rest of the package; see
``ghostnet_launcher``. At their top they import the standard library and each other
alone, and what they call inside `run`.
"""
