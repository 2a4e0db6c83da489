"""A folder of photos as people have them: what is read, what is left out, and what is said about it."""

import io
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from recon.errors import InputError
from recon.io.decode import open_reduced
from recon.io.exif import focal_in_pixels
from recon.io.order import in_order, natural_key
from recon.io.photos import open_photo, read_capture


def picture(width: int = 64, height: int = 48, seed: int = 0) -> Image.Image:
    """Noise over a gradient: compresses badly, so that half of a file is half of a picture."""
    x = np.linspace(0, 160, width)[None, :, None] + np.linspace(0, 60, height)[:, None, None]
    noise = np.random.default_rng(seed).uniform(0, 30, (height, width, 3))
    return Image.fromarray((x + noise).astype(np.uint8))


def jpeg(width: int = 64, height: int = 48, **options: object) -> bytes:
    buffer = io.BytesIO()
    picture(width, height).save(buffer, "JPEG", quality=90, **options)
    return buffer.getvalue()


def reasons(folder: Path) -> dict[str, str]:
    return {file.name: file.reason for file in read_capture(folder).left_out}


def test_every_broken_file_is_named_and_the_rest_is_used(data, tmp_path):
    broken = data / "bad_inputs" / "broken_files"
    with pytest.raises(InputError, match="no readable photo"):
        read_capture(broken)
    for file in broken.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    (tmp_path / "good.jpg").write_bytes(jpeg())
    capture = read_capture(tmp_path)
    assert [photo.name for photo in capture.photos] == ["good.jpg"]
    assert {file.name for file in capture.left_out} == {file.name for file in broken.iterdir()}


@pytest.mark.parametrize("share", [0.01, 0.3, 0.5, 0.8, 0.97])
@pytest.mark.parametrize("progressive", [False, True])
def test_a_jpeg_cut_anywhere_is_left_out(tmp_path, share, progressive):
    whole = jpeg(640, 480, progressive=progressive)
    (tmp_path / "cut.jpg").write_bytes(whole[: int(len(whole) * share)])
    (tmp_path / "whole.jpg").write_bytes(whole)
    assert [photo.name for photo in read_capture(tmp_path).photos] == ["whole.jpg"]
    assert set(reasons(tmp_path)) == {"cut.jpg"}


@pytest.mark.parametrize(
    ("content", "word"),
    [
        (b"", "empty"),
        (b"these are notes, not a photo\n" * 9, "text file"),
        (b"<!doctype html><html><body>404</body></html>", "web page"),
        (np.random.default_rng(0).bytes(5000), "not an image"),
        (b"\0\0\0\x18ftypmp42" + bytes(200), "video"),
    ],
)
def test_files_that_are_no_photos_say_what_they_are(tmp_path, content, word):
    (tmp_path / "good.jpg").write_bytes(jpeg())
    (tmp_path / "bad.jpg").write_bytes(content)
    assert word in reasons(tmp_path)["bad.jpg"]


def test_tiny_flat_animated_and_raw_files_are_left_out(tmp_path):
    picture().save(tmp_path / "good.png")
    Image.new("RGB", (1, 1)).save(tmp_path / "dot.png")
    Image.new("L", (64, 64), 128).save(tmp_path / "flat.png")
    picture().save(tmp_path / "moving.webp", save_all=True, append_images=[picture(seed=1)])
    (tmp_path / "IMG_1.DNG").write_bytes(b"II*\0")
    assert {name: text.split(".")[0] for name, text in reasons(tmp_path).items()} == {
        "dot.png": "is too small (1 x 1 pixels)",
        "flat.png": "has one colour all over: there is nothing to see",
        "moving.webp": "is animated (2 frames)",
        "IMG_1.DNG": "is a camera's raw file",
    }


def test_odd_formats_are_read_or_refused_with_a_reason(data):
    capture = read_capture(data / "bad_inputs" / "odd_formats")
    assert {file.name for file in capture.left_out} >= {"animated.gif", "one_pixel.png", "flat_108_megapixel.png"}
    names = {photo.name for photo in capture.photos}
    assert names >= {"UPPER.JPEG", "cmyk.jpg", "gray16.png", "palette.png", "png_named.jpg", "rgb16.png", "webp.webp"}
    assert [photo.name for photo in capture.photos if photo.has_alpha] == ["rgba_transparent.png"]
    assert {open_photo(photo.path).mode for photo in capture.photos if not photo.has_alpha} == {"RGB"}


def test_deep_gray_keeps_its_whole_range(tmp_path):
    ramp = np.linspace(0, 65535, 64 * 48).reshape(48, 64).astype(np.uint16)
    Image.fromarray(ramp).save(tmp_path / "deep.png")
    gray = np.asarray(open_photo(tmp_path / "deep.png"))[..., 0].astype(float)
    np.testing.assert_allclose(gray, ramp / 257, atol=0.51)


def test_sub_folders_unicode_and_junk(tmp_path):
    for name in ("a/1.JPG", "b/фото №1 (ü) #50%.jpg"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(jpeg())
    for junk in (
        "__MACOSX/1.jpg",
        "a/._1.JPG",
        "a/Thumbs.db",
        ".DS_Store",
        "@eaDir/1.jpg",
        ".hidden/1.jpg",
        "notes.txt",
    ):
        (tmp_path / junk).parent.mkdir(exist_ok=True)
        (tmp_path / junk).write_bytes(b"junk")
    capture = read_capture(tmp_path)
    assert [photo.name for photo in capture.photos] == ["a/1.JPG", "b/фото №1 (ü) #50%.jpg"]
    assert capture.left_out == ()


def test_reduced_copies_beside_the_photos_are_not_photos(tmp_path):
    for folder in ("images", "images_4"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "1.jpg").write_bytes(jpeg())
    capture = read_capture(tmp_path)
    assert capture.folder == tmp_path / "images"
    assert [photo.name for photo in capture.photos] == ["1.jpg"]


@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_is_applied(tmp_path, orientation):
    upright = np.zeros((48, 64, 3), dtype=np.uint8)
    upright[:24, :32] = 255, 0, 0  # top left
    upright[:24, 32:] = 0, 255, 0
    upright[24:, :32] = 0, 0, 255
    stored = {  # numpy's way from upright to stored, the inverse of what EXIF tells a viewer to do
        1: upright,
        2: upright[:, ::-1],
        3: upright[::-1, ::-1],
        4: upright[::-1],
        5: upright.transpose(1, 0, 2),
        6: np.rot90(upright, 1),
        7: np.rot90(upright, 2).transpose(1, 0, 2),
        8: np.rot90(upright, -1),
    }[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(np.ascontiguousarray(stored)).save(tmp_path / "1.png", exif=exif)
    (photo,) = read_capture(tmp_path).photos
    assert (photo.width, photo.height) == (64, 48)
    np.testing.assert_array_equal(np.asarray(open_photo(photo.path)), upright)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_reduced_decoding_does_not_move_the_picture(tmp_path, orientation):
    x, y = np.arange(1001)[None] + 0 * np.arange(667)[:, None], np.arange(667)[:, None] + 0 * np.arange(1001)[None]
    waves = np.stack([127 + 100 * np.sin(x / 25), 127 + 100 * np.sin(y / 25), 127 + 50 * np.sin((x + y) / 25)], axis=-1)
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(waves.astype(np.uint8)).save(tmp_path / "1.jpg", quality=98, subsampling=0, exif=exif)
    reduced, covered = open_reduced(tmp_path / "1.jpg", 125)  # odd sizes: the last block is cut
    assert max(reduced.size) < 300
    size = (125, 83) if orientation < 5 else (83, 125)
    small = np.asarray(open_photo(tmp_path / "1.jpg").resize(size, 3), float)
    difference = np.asarray(reduced.resize(size, 3, box=covered), float) - small
    for axis in (0, 1):
        slope = np.gradient(small, axis=axis)
        assert abs((difference * slope).sum() / (slope**2).sum()) < 0.02  # pixels of the small picture


def test_turned_photos_are_the_same_as_upright_ones(data):
    capture = read_capture(data / "bad_inputs" / "exif_rotation")
    assert {(photo.width, photo.height) for photo in capture.photos} == {(706, 529)}
    assert len(capture.photos) == 8


def test_portrait_and_landscape_do_not_share_a_camera(data):
    photos = read_capture(data / "bad_inputs" / "portrait_landscape_mix").photos
    sizes: dict[str, set[tuple[int, int]]] = {}
    for photo in photos:
        sizes.setdefault(photo.camera, set()).add((photo.width, photo.height))
    assert len(sizes) >= 3
    assert all(len(of_camera) == 1 for of_camera in sizes.values())


def test_focal_length_comes_from_the_sensor_or_its_equivalent():
    size = (4000, 3000)
    assert focal_in_pixels({0xA405: 26}, size) == pytest.approx(26 * 5000 / 43.2666)
    by_sensor = {0x920A: 50.0, 0xA20E: 4000 / 36.0 * 25.4, 0xA210: 2}  # 36 mm across, resolution in inches
    assert focal_in_pixels(by_sensor, size) == pytest.approx(50 / 36 * 4000)
    assert focal_in_pixels(by_sensor | {0xA002: 8000}, size) == pytest.approx(50 / 36 * 4000 / 2)  # a halved file
    assert focal_in_pixels(by_sensor | {0xA405: 200}, size) == pytest.approx(200 * 5000 / 43.2666)  # contradicted
    assert focal_in_pixels({}, size) is None
    assert focal_in_pixels({0xA405: "nonsense", 0x920A: 0}, size) is None


def test_exif_gives_focal_and_camera(data):
    capture = read_capture(data / "sceaux_castle" / "images")
    assert all(photo.focal == pytest.approx(1364, rel=0.05) for photo in capture.photos)  # COLMAP finds 1364
    assert len({photo.camera for photo in capture.photos}) == 1
    assert "KODAK" in capture.photos[0].camera


@pytest.mark.parametrize("style", ["{}.png", "{stem}.png"])
@pytest.mark.parametrize("place", ["inside", "beside", "given"])
def test_masks_are_found_in_colmaps_naming(tmp_path, style, place):
    photos = tmp_path / "photos"
    masks = {"inside": photos / "masks", "beside": tmp_path / "masks", "given": tmp_path / "elsewhere"}[place]
    masks.mkdir(parents=True)
    photos.mkdir(exist_ok=True)
    for name in ("1", "2"):
        (photos / f"{name}.jpg").write_bytes(jpeg())
    mask = masks / style.format("1.jpg", stem="1")
    Image.fromarray((np.arange(64 * 48).reshape(48, 64) % 2 * 255).astype(np.uint8)).save(mask)
    first, second = read_capture(photos, masks=masks if place == "given" else None).photos
    assert first.mask == mask
    assert second.mask is None


def test_broken_and_misshapen_masks_are_named(tmp_path):
    (tmp_path / "masks").mkdir()
    for name in ("1", "2"):
        (tmp_path / f"{name}.jpg").write_bytes(jpeg())
    (tmp_path / "masks" / "1.jpg.png").write_bytes(b"")
    picture(48, 64).save(tmp_path / "masks" / "2.jpg.png")
    capture = read_capture(tmp_path)
    assert [photo.mask for photo in capture.photos] == [None, None]
    assert {file.name for file in capture.left_out} == {"masks/1.jpg.png", "masks/2.jpg.png"}


def test_wrong_folders_tell_what_to_pass(tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "texts").mkdir()
    (tmp_path / "texts" / "a.txt").write_text("a")
    (tmp_path / "file.jpg").write_bytes(jpeg())
    for name, word in {"none": "not exist", "empty": "empty", "texts": "no photos", "file.jpg": "not a folder"}.items():
        with pytest.raises(InputError, match=word) as error:
            read_capture(tmp_path / name)
        assert "folder" in error.value.advice
    with pytest.raises(InputError, match="mask folder"):
        read_capture(tmp_path, masks=tmp_path / "none")
    with pytest.raises(InputError, match="named after"):
        read_capture(tmp_path, masks=tmp_path / "texts")


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may read everything")
def test_a_photo_that_may_not_be_read_is_left_out(tmp_path):
    (tmp_path / "1.jpg").write_bytes(jpeg())
    (tmp_path / "2.jpg").write_bytes(jpeg())
    (tmp_path / "2.jpg").chmod(0)
    assert "permission" in reasons(tmp_path)["2.jpg"]


def test_dangling_links_are_left_out(tmp_path):
    (tmp_path / "1.jpg").write_bytes(jpeg())
    (tmp_path / "2.jpg").symlink_to(tmp_path / "gone.jpg")
    assert "not exist" in reasons(tmp_path)["2.jpg"]


@pytest.mark.parametrize("name", ["fox/images", "lund_street/images", "stitch_figure/train"])
def test_frames_of_a_walk_are_ordered(data, name):
    assert read_capture(data / name).ordered


@pytest.mark.parametrize("name", ["bad_inputs/non_overlapping", "bad_inputs/two_scenes_mixed", "object"])
def test_mixed_sets_are_not_ordered(data, name):
    assert not read_capture(data / name).ordered


def test_numbered_pictures_in_random_order_are_not_ordered():
    blob = np.exp(-(((np.arange(16) - 2) / 4) ** 2)) * np.ones((16, 1))
    walk = [np.roll(blob, shift, axis=1) for shift in range(12)]
    names = [f"frame_{index:03}.jpg" for index in range(12)]
    assert in_order(names, walk)
    assert not in_order([f"{name}{index**7 % 1009}.jpg" for index, name in enumerate("abcdefghijkl")], walk)
    shuffled = [walk[index] for index in np.random.default_rng(1).permutation(12)]
    assert not in_order(names, shuffled)


def test_numbers_in_names_sort_as_numbers():
    assert sorted(["f10", "f9", "f1", "g", "f"], key=natural_key) == ["f", "f1", "f9", "f10", "g"]


@pytest.mark.parametrize(
    ("name", "advice"), [("a.zip", "Unpack it"), ("transforms.json", "folder that holds it"), ("a.MOV", "frames")]
)
def test_a_file_in_place_of_a_folder_is_answered_with_what_to_do_with_it(tmp_path, name, advice):
    (tmp_path / name).write_bytes(b"")
    with pytest.raises(InputError, match=f"{name} is a file.*{advice}"):
        read_capture(tmp_path / name)
