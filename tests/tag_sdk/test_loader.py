from tests.fixtures.browser import Visitor
from tests.tag_sdk.conftest import ALL, STATEMENT, Site, consent, loaded, names


async def test_calls_before_the_tag_comes_are_carried_out_in_order(site: Site, visitor: Visitor) -> None:
    await visitor.context.add_init_script(
        "document.addEventListener('readystatechange', () => document.readyState === 'interactive' && "
        "tagway.page('Home').track('early')"
        ".consent.set({analytics: true}).ready(() => window.ran = true), {once: true})"
    )
    page = await loaded(await visitor.open(site.url))
    await page.evaluate("tagway.flush() && 0")
    await site.until(lambda s: len(s.events) == 3)
    assert names(site.events) == [STATEMENT, "page", "early"]
    assert await page.evaluate("ran")


async def test_blocked_tag_leaves_the_page_unharmed(site: Site, visitor: Visitor) -> None:
    await visitor.context.route("**/tag/*.js", lambda route: route.abort())
    page = await visitor.open(site.url)
    await page.evaluate(
        """() => {
        tagway.page(); tagway.track('x', {}).identify('y').group('z').alias('a').flush().reset();
        tagway.ready(() => {}); tagway.on('results', () => {}); tagway.consent.set({analytics: true});
        tagway.consent.get(); tagway.consent.withdraw(); tagway.optOut(); tagway.user();
        tagway.live(() => 'token', () => {})(); tagway.use('scroll'); tagway.consent.from('tcf');
    }"""
    )
    assert site.sent == []
    assert [text for text in visitor.complaints if "ERR_FAILED" not in text] == []


async def test_nothing_that_a_site_passes_throws_into_it(site: Site, visitor: Visitor) -> None:
    page = await loaded(await visitor.open(site.url))
    await consent(page, ALL)
    errors = await page.evaluate(
        """() => {
        const errors = [];
        tagway.on('error', error => errors.push(String(error)));
        const round = {}; round.self = round;
        tagway.track(); tagway.track('round', round); tagway.track('big', {n: 1n}); tagway.alias();
        tagway.track('when', {}, {timestamp: 'never'}); tagway.on('message', () => { throw new Error('mine'); });
        tagway.consent.set(null); tagway.track('fine').flush();
        return errors;
    }"""
    )
    assert len(errors) == 7
    await site.until(lambda s: s.named("fine"))
    assert visitor.complaints == []
