"""Claims files: what may be claimed, where, and until when."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from lora_marketing.brands.brand import load_brand
from lora_marketing.brands.claims import Claim
from lora_marketing.common.errors import RecipeError

PROFILE = """\
schema: 1
name: fjord
display_name: Fjord
locale: en-GB
lines: {soap: Bars.}
guide: Be brief.
claims: claims.yaml
"""
CLAIMS = """\
schema: 1
claims:
  - id: vegan
    says: [certified vegan]
    evidence: Vegan Society certificate 4711
    markets: [GB]
    expires: 2027-01-31
"""


def test_a_profile_takes_in_the_claims_file_it_names(tmp_path: Path) -> None:
    (tmp_path / "brand.yaml").write_text(PROFILE)
    (tmp_path / "claims.yaml").write_text(CLAIMS)
    (claim,) = load_brand(tmp_path / "brand.yaml").claims
    assert (claim.id, claim.expires) == ("vegan", "2027-01-31")


@pytest.mark.parametrize("broken", ["31 January 2027", "2027-02-30"])
def test_a_mistake_is_told_with_its_line(tmp_path: Path, broken: str) -> None:
    (tmp_path / "brand.yaml").write_text(PROFILE)
    (tmp_path / "claims.yaml").write_text(CLAIMS.replace("2027-01-31", broken))
    with pytest.raises(RecipeError, match=r"claims\.yaml:7"):
        load_brand(tmp_path / "brand.yaml")


def test_a_claim_holds_in_its_markets_until_its_last_day() -> None:
    claim = Claim(id="a", says=["b"], evidence="c", markets=["GB", "IE"], expires="2027-01-31")
    assert claim.holds_in(["GB"], date(2027, 1, 31))
    assert claim.holds_in([], date(2027, 1, 31))
    assert not claim.holds_in(["GB"], date(2027, 2, 1))
    assert not claim.holds_in(["GB", "US"], date(2027, 1, 1))
    assert Claim(id="a", says=["b"], evidence="c").holds_in(["US"], date(2099, 1, 1))
