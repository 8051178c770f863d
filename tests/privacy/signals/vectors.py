"""Reference strings, written by the IAB's own libraries."""

import json
from pathlib import Path
from typing import Any

from privacy.signals.tcf import TCString
from privacy.signals.vendors import Vendors

_FOLDER = Path(__file__).parents[1] / "vectors"


def load(name: str) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((_FOLDER / f"{name}.json").read_text())
    return loaded


TCF = load("tcf")
GPP = load("gpp")
STATES = load("states")


def tcf_fields(string: TCString) -> dict[str, Any]:
    """Write a decoded string as the vectors do."""
    publisher = string.publisher
    return {
        "version": string.version,
        "created": string.created.strftime("%Y-%m-%dT%H:%M:%S.000Z"),
        "lastUpdated": string.last_updated.strftime("%Y-%m-%dT%H:%M:%S.000Z"),
        "cmpId": string.cmp_id,
        "cmpVersion": string.cmp_version,
        "consentScreen": string.consent_screen,
        "consentLanguage": string.consent_language,
        "vendorListVersion": string.vendor_list_version,
        "tcfPolicyVersion": string.policy_version,
        "isServiceSpecific": string.is_service_specific,
        "useNonStandardTexts": string.use_non_standard_texts,
        "specialFeatureOptIns": sorted(string.special_features),
        "purposesConsent": sorted(string.consents),
        "purposesLITransparency": sorted(string.legitimate_interests),
        "purposeOneTreatment": string.purpose_one_treatment,
        "publisherCC": string.publisher_country,
        "vendorConsents": _vendors(string.vendor_consents),
        "vendorLegitimateInterests": _vendors(string.vendor_legitimate_interests),
        "publisherRestrictions": [
            {
                "purposeId": each.purpose,
                "restrictionType": int(each.type),
                "ranges": [list(run) for run in each.vendors],
            }
            for each in string.restrictions
        ],
        "disclosedVendors": string.disclosed_vendors and _vendors(string.disclosed_vendors),
        "allowedVendors": string.allowed_vendors and _vendors(string.allowed_vendors),
        "publisherTC": publisher
        and {
            "consents": sorted(publisher.consents),
            "liTransparency": sorted(publisher.legitimate_interests),
            "numCustomPurposes": publisher.custom_purposes,
            "customConsents": sorted(publisher.custom_consents),
            "customLITransparency": sorted(publisher.custom_legitimate_interests),
        },
        "unknownSegments": list(string.unknown_segments),
    }


def _vendors(vendors: Vendors) -> dict[str, Any]:
    return {
        "maxVendorId": vendors.max_id,
        "encoding": vendors.encoding,
        "ranges": [list(run) for run in vendors.ranges],
    }
