"""Image files of every kind to upright 8-bit RGB, and the reasons when that fails.

"Stored" pixels are as the file keeps them; "upright" ones have its EXIF orientation applied. recon only knows upright.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from recon.errors import InputError
from recon.io.disk import cause_of, regular

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["LARGEST", "SMALLEST", "PhotoFile", "inspect_photo", "open_photo", "open_reduced"]

LARGEST = 256_000_000
"""Pixels. The biggest phone sensors have 200 million; a file that claims more is a bomb or a stitched panorama."""
SMALLEST = 16
"""Pixels of the shorter side."""

_AGAIN = "Copy it again from the camera, or leave it out."
_CONVERT = "Convert it to JPEG or PNG."
_ORIENTATION = 0x0112
_MIRRORS_X, _MIRRORS_Y = (2, 3, 6, 7), (3, 4, 7, 8)  # after any swap of the axes
_PAGED = {"GIF", "WEBP", "PNG", "AVIF"}  # further frames are an animation; in TIFF and MPO they are previews


@dataclass(frozen=True)
class PhotoFile:
    """What a readable file is. Sizes in pixels."""

    upright_size: tuple[int, int]
    stored_size: tuple[int, int]
    orientation: int
    """EXIF orientation, 1 to 8."""
    has_alpha: bool
    exif: dict[int, object]
    thumbnail: np.ndarray
    """Gray, 16 x 16, upright, float."""


def open_photo(path: Path) -> Image:
    """The upright picture as `RGB`, or as `RGBA` when some of it is transparent."""
    return open_reduced(path, 0)[0]


def open_reduced(path: Path, longest_side: int) -> tuple[Image, tuple[float, float, float, float]]:
    """`open_photo`, for a JPEG reduced while it is decoded, to no less than `longest_side` (0: never).

    The second value is the part (left, top, right, bottom) of the result that the photo covers: reduced pixels at a
    border may stick out of it.
    """
    decoded = _decode(path, longest_side)
    image = _turned(_eight_bit(path, decoded.image), decoded.orientation)
    across, down = decoded.covered if decoded.orientation < 5 else decoded.covered[::-1]
    left = image.width - across if decoded.orientation in _MIRRORS_X else 0.0
    top = image.height - down if decoded.orientation in _MIRRORS_Y else 0.0
    return image, (left, top, left + across, top + down)


def inspect_photo(path: Path) -> PhotoFile:
    """Read every byte of a photo, JPEG at an eighth of its size, and say what it is; `InputError` if it is bad.

    Decoding is the only way to find a file that was cut or damaged; the reduced decode still passes through all of the
    compressed data, but saves most of the arithmetic.
    """
    decoded = _decode(path, 1)
    image, (width, height), orientation = decoded.image, decoded.size, decoded.orientation
    if all(low == high for low, high in _extremes(image)):
        raise InputError(f"{path} has one colour all over: there is nothing to see.", advice="Leave it out.")
    if image.mode not in ("L", "RGB") or "transparency" in image.info:
        image = _eight_bit(path, image)
    small = _turned(image.resize((16, 16), 4), orientation).convert("RGB").convert("L")  # 4: area filter
    upright = (height, width) if orientation >= 5 else (width, height)
    gray = np.asarray(small, dtype=np.float32)
    return PhotoFile(upright, decoded.size, orientation, image.mode == "RGBA", decoded.exif, gray)


@dataclass(frozen=True)
class _Decoded:
    """Stored pixels in whatever mode, perhaps reduced, and what the file says about them."""

    image: Image
    size: tuple[int, int]
    """Of the file."""
    covered: tuple[float, float]
    """Of the image, by the file's pixels."""
    exif: dict[int, object]
    orientation: int


def _decode(path: Path, longest_side: int) -> _Decoded:
    """Everything that can fail because of the file happens here."""
    from PIL import Image, UnidentifiedImageError

    _allow_heic(path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow warns of odd tags and of sizes that are checked below
            with Image.open(regular(path)) as image:
                _check(path, image)
                width, height = image.size
                exif = image.getexif()
                tags: dict[int, object] = dict(exif) | dict(exif.get_ifd(0x8769))
                covered = _reduce(image, longest_side)
                image.load()
    except UnidentifiedImageError as error:
        raise _unknown(path) from error
    except Image.DecompressionBombError as error:
        raise InputError(f"{path} is far too large to be a photo.", advice="Scale it down.") from error
    except MemoryError as error:
        raise InputError(f"{path} does not fit in memory.", advice="Scale it down.") from error
    except FileNotFoundError as error:
        raise InputError(f"{path} does not exist.", advice="Check the name.") from error
    except InputError:
        raise
    except Exception as error:  # decoders raise whatever a broken file makes them stumble over
        raise InputError(f"{path} {_why(path, error)}.", advice=_AGAIN) from error
    turn = tags.get(_ORIENTATION, 1)
    orientation = turn if isinstance(turn, int) and 1 <= turn <= 8 else 1
    return _Decoded(image, (width, height), covered, tags, orientation)


def _reduce(image: Image, longest_side: int) -> tuple[float, float]:
    """Ask a JPEG to decode at 1/2, 1/4 or 1/8 if that leaves the longest side; the size that the photo then covers."""
    width, height = image.size
    longest = max(width, height)
    if 0 < 2 * longest_side <= longest:
        wanted = max(1, width * longest_side // longest), max(1, height * longest_side // longest)
        drafted = image.draft(image.mode, wanted)
        if drafted is not None:
            return float(drafted[1][2]), float(drafted[1][3])
    return float(width), float(height)


def _extremes(image: Image) -> list[tuple[int | float, int | float]]:
    """Smallest and largest value of each channel."""
    values = image.getextrema()
    return list(values) if isinstance(values[0], tuple) else [values]  # pyright: ignore[reportReturnType] - one channel


def _check(path: Path, image: Image) -> None:
    width, height = image.size
    if width * height > LARGEST:
        raise InputError(f"{path} is far too large for a photo ({width} x {height} pixels).", advice="Scale it down.")
    if min(width, height) < SMALLEST:
        raise InputError(f"{path} is too small ({width} x {height} pixels).", advice="Use the original photo.")
    frames = getattr(image, "n_frames", 1)
    if image.format in _PAGED and frames > 1:
        raise InputError(f"{path} is animated ({frames} frames).", advice="Save its frames as single images.")


def _eight_bit(path: Path, image: Image) -> Image:
    """`RGB`, or `RGBA` where some pixel is not opaque."""
    from PIL import Image

    if image.mode in ("I", "F") or image.mode.startswith("I;16"):
        image = Image.fromarray(_gray_to_bytes(path, np.asarray(image)))
    if image.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in image.info:
        image = image.convert("RGBA")
        ((lowest, _),) = _extremes(image.getchannel("A"))
        return image if lowest < 255 else image.convert("RGB")
    if image.mode in ("1", "L", "P", "CMYK", "YCbCr", "HSV", "RGBX"):
        return image.convert("RGB")
    if image.mode != "RGB":
        raise InputError(f"{path} has colours of the kind {image.mode}.", advice=_CONVERT)
    return image


def _gray_to_bytes(path: Path, gray: np.ndarray) -> np.ndarray:
    """Deep gray to 8 bits. Integers are taken as 16-bit, floats as 0..1."""
    top = 65535.0 if gray.dtype.kind in "iu" else 1.0
    if not np.isfinite(gray).all() or gray.max(initial=0) > top or gray.min(initial=0) < 0:
        raise InputError(f"{path} has pixel values that are no 16-bit or 0..1 colours.", advice=_CONVERT)
    return (gray.astype(np.float32) * (255 / top) + 0.5).astype(np.uint8)


def _turned(image: Image, orientation: int) -> Image:
    from PIL.Image import Transpose as T

    turns = (None, T.FLIP_LEFT_RIGHT, T.ROTATE_180, T.FLIP_TOP_BOTTOM)
    turns += (T.TRANSPOSE, T.ROTATE_270, T.TRANSVERSE, T.ROTATE_90)
    turn = turns[orientation - 1]
    return image if turn is None else image.transpose(turn)


def _allow_heic(path: Path) -> None:
    if path.suffix.lower() not in (".heic", ".heif"):
        return
    try:
        from pillow_heif import register_heif_opener  # pyright: ignore[reportMissingImports] - optional
    except ImportError:
        return
    register_heif_opener()


def _unknown(path: Path) -> InputError:
    """Why Pillow knows no such format, from the first bytes of the file."""
    with path.open("rb") as file:
        head = file.read(512)
    if len(head) == 0:
        return InputError(f"{path} is empty (0 bytes).", advice=_AGAIN)
    if head[4:8] == b"ftyp" and head[8:12] in (b"heic", b"heix", b"mif1", b"heif", b"msf1", b"hevc"):
        return InputError(f"{path} is HEIC, which needs pillow-heif.", advice="pip install pillow-heif")
    if head[4:8] == b"ftyp" or head[:4] in (b"RIFF", b"\x1aE\xdf\xa3"):
        return InputError(f"{path} is a video, not a photo.", advice="Save its frames as images.")
    if head.lstrip()[:1] == b"<":
        return InputError(f"{path} is a web page or XML, not an image.", advice="Download the photo itself.")
    if all(byte >= 32 or byte in b"\t\r\n\f" for byte in head):
        return InputError(f"{path} is a text file, not an image.", advice="Leave it out.")
    return InputError(f"{path} is not an image in any format that recon reads.", advice=_CONVERT)


def _why(path: Path, error: Exception) -> str:
    text = str(error)
    if isinstance(error, PermissionError):
        return "may not be read (permission denied)"
    if isinstance(error, IsADirectoryError):
        return "is a folder"
    if isinstance(error, OSError) and error.errno is not None:  # Pillow's own have none
        return f"cannot be read ({cause_of(error)})"
    if path.stat().st_size == 0:
        return "is empty (0 bytes)"
    if "truncated" in text.lower() or isinstance(error, EOFError):
        return "is cut short: the end of the image is missing"
    return f"is damaged ({text[:80].rstrip('.')})"
