"""What each kind of network of transformers says of cells and of whole photos.

Letters: `b` photos, `y x` cells, `d` channels. Networks without words answer with what they last computed. Those with
words are trained on whole photos; their cells are what each would put into the whole (Zhou et al. 2022, "Extract Free
Dense Labels from CLIP", for SigLIP by the same reasoning).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import linear

__all__ = ["KINDS", "Tower", "see"]

Answer = tuple[Float[Tensor, "b y x d"], Float[Tensor, "b e"]]


@dataclass(frozen=True)
class Tower:
    """How a type of model is to be asked."""

    way: Literal["tokens", "maps", "clip", "siglip"]
    words: bool = False


KINDS = {
    "vit": Tower("tokens"),
    "dinov2": Tower("tokens"),
    "dinov2_with_registers": Tower("tokens"),
    "dinov3_vit": Tower("tokens"),
    "resnet": Tower("maps"),
    "convnext": Tower("maps"),
    "convnextv2": Tower("maps"),
    "clip": Tower("clip", words=True),
    "clip_vision_model": Tower("clip"),
    "siglip": Tower("siglip", words=True),
    "siglip_vision_model": Tower("siglip"),
}
"""By `model_type` of the configuration."""


def see(net: Any, tower: Tower, pixels: Float[Tensor, "b 3 h w"], rows: int, columns: int) -> Answer:
    """Features of the cells and of the whole photos. Maps have as many cells as they have."""
    match tower.way:
        case "maps":
            said = net(pixels, output_hidden_states=True)
            return said.hidden_states[-2].permute(0, 2, 3, 1), said.pooler_output.flatten(1)
        case "tokens":
            wider = {"interpolate_pos_encoding": True} if net.config.model_type == "vit" else {}
            tokens = net(pixels, **wider).last_hidden_state
            return _grid(tokens, rows, columns), tokens[:, 0]
        case "clip":
            return _see_clip(net, pixels, rows, columns)
        case "siglip":
            return _see_siglip(net, pixels, rows, columns)


def _see_clip(net: Any, pixels: Tensor, rows: int, columns: int) -> Answer:
    vision = getattr(net, "vision_model", net)
    said = vision(pixels, interpolate_pos_encoding=True, output_hidden_states=True)
    last = vision.encoder.layers[-1]
    values = last.self_attn.out_proj(last.self_attn.v_proj(last.layer_norm1(said.hidden_states[-2])))
    cells, whole = vision.post_layernorm(values), said.pooler_output
    project = getattr(net, "visual_projection", None)
    if project is not None:
        cells, whole = project(cells), project(whole)
    return _grid(cells, rows, columns), whole


def _see_siglip(net: Any, pixels: Tensor, rows: int, columns: int) -> Answer:
    vision = getattr(net, "vision_model", net)
    said = vision(pixels, interpolate_pos_encoding=True)
    head, tokens = vision.head, said.last_hidden_state
    width = tokens.shape[-1]
    values = linear(tokens, head.attention.in_proj_weight[2 * width :], head.attention.in_proj_bias[2 * width :])
    values = head.attention.out_proj(values)
    values = values + head.mlp(head.layernorm(values))
    return _grid(values, rows, columns), said.pooler_output


def _grid(tokens: Float[Tensor, "b t d"], rows: int, columns: int) -> Float[Tensor, "b y x d"]:
    """Patches come last; before them there may be tokens of the whole photo and registers."""
    return tokens[:, tokens.shape[1] - rows * columns :].unflatten(1, (rows, columns))
