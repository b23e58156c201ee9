"""Sources of images -> their digests and sizes, and the verified stream of their data. Files, network."""

from imagesync.sources.access import SourceAccess as SourceAccess
from imagesync.sources.cache import DigestCache as DigestCache
from imagesync.sources.cache import default_cache as default_cache
from imagesync.sources.identify import check_sources as check_sources
from imagesync.sources.identify import find_unreadable_files as find_unreadable_files
from imagesync.sources.identify import identify as identify
from imagesync.sources.identify import identify_all as identify_all
from imagesync.sources.local_files import HeadChecks as HeadChecks
from imagesync.sources.opening import OpenSource as OpenSource
from imagesync.sources.opening import VerifiedStream as VerifiedStream
from imagesync.sources.sharing import SharedSources as SharedSources
from imagesync.sources.source_checks import SourceChecks as SourceChecks
from imagesync.sources.spool import DEFAULT_FOLDER as DEFAULT_FOLDER
from imagesync.sources.spool import SpoolEnded as SpoolEnded
from imagesync.sources.stream import SourceStream as SourceStream
from imagesync.sources.stream import make_plausibility as make_plausibility
from imagesync.sources.stream import open_source as open_source
