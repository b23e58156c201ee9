"""What an image of the service says of itself."""

from imagesync.model.image import LiveImage


def test_digests_are_those_that_a_manifest_can_declare() -> None:
    """md5 as ``checksum``, the other by its name; nothing of unknown algorithms or of missing data."""
    md5, sha512 = "c" * 32, "d" * 128
    whole = LiveImage("id", checksum=md5, os_hash_algo="sha512", os_hash_value=sha512)
    assert whole.digests == {"md5": md5, "sha512": sha512}
    assert LiveImage("id", checksum=md5, os_hash_algo="blake2b", os_hash_value="00").digests == {"md5": md5}
    assert LiveImage("id", os_hash_algo="sha512").digests == {}
    assert LiveImage("id", checksum="", os_hash_value=sha512).digests == {}
