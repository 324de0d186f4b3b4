"""`GET /v1/models`: what a key may write with."""

from __future__ import annotations

from fastapi import APIRouter

from lora_marketing.serving.dependencies import TheCaller, TheService
from lora_marketing.serving.schema import ModelCard, ModelList

router = APIRouter()


@router.get("/v1/models")
async def models(service: TheService, caller: TheCaller) -> ModelList:
    """Every adapter that the key opens, by its bare name and by its aliases."""
    return ModelList(data=await service.in_thread(lambda: service.models.cards(caller), caller.id))


@router.get("/v1/models/{model:path}")
async def model(model: str, service: TheService, caller: TheCaller) -> ModelCard:
    """One of them: `brand/line`, `brand/line@alias` or `brand/line:digest`."""
    return await service.in_thread(lambda: service.models.card(model, caller), caller.id)
