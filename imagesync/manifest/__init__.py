"""YAML manifests <-> catalogs: files, schema, merging, placeholders, typed specs; and manifests written by export."""
