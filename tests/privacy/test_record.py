from domain.consent import Purpose
from domain.workspace import Controller
from privacy.plan import default_document, read_plan
from privacy.record import as_markdown, record_of_processing

SHOP = Controller(name="Shop Ltd", contact="dpo@shop.example")


def test_record_says_all_of_each_purpose_that_the_plan_has() -> None:
    record = record_of_processing(read_plan(default_document()), 7, SHOP)
    activities = {each.purpose: each for each in record.activities}
    assert activities.keys() == {
        Purpose.FUNCTIONAL,
        Purpose.ANALYTICS,
        Purpose.PERSONALIZATION,
        Purpose.ADVERTISING,
    }
    for each in record.activities:
        assert each.bases
        assert each.categories_of_data
        assert each.categories_of_persons
        assert each.recipients
        assert each.fields
        assert each.retention_days == 395
    assert "traits.email" in activities[Purpose.ADVERTISING].fields
    assert "traits.email" not in activities[Purpose.ANALYTICS].fields
    assert "scroll_depth: properties.depth" in activities[Purpose.ANALYTICS].fields
    assert record.security_measures


def test_record_is_laid_out_for_people() -> None:
    text = as_markdown(record_of_processing(read_plan(default_document()), 7, SHOP))
    assert "- name: Shop Ltd" in text
    assert "- address: not set" in text
    assert "## Advertising" in text
    assert "- recipients: advertising platforms; controller" in text
    assert "Tracking plan, version 7." in text
