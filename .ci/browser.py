"""Use the web app in Chromium as people do, and compare what it shows with what the package says.

python .ci/browser.py RUN DATA [--shots FOLDER]

RUN is the folder of a run, DATA a Kaggle folder. Fails if a request leaves the machine, if axe finds a fault on a tab, empty, with results or with an
error, in light or dark, if the browser reports an error or a breach of the content security policy, or if a page is wider than a phone.
"""
import argparse, os, re, shutil, signal, socket, subprocess, tempfile, zipfile
from pathlib import Path

import numpy as np, pandas as pd
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect, sync_playwright
from pcam_nb.page import data_uri
from pcam_nb.infer import Predictor
from pcam_nb.ood import look
from pcam_nb.sample_slide import generate_slide
from pcam_nb.service import example_files
from pcam_nb.slide import read_slide
from pcam_nb.image import read_image

FLAGS = ('--no-sandbox --disable-background-networking --disable-component-update --disable-sync --no-first-run --disable-quic '
         '--disable-features=OptimizationHints,MediaRouter').split()
WIDE,PHONE = dict(width=1280, height=900),dict(width=390, height=844)
TABS = ('Patch','Slide','Batch','About')
percent = lambda p: 'below 0.1 %' if p<.001 else 'above 99.9 %' if p>.999 else f'{100*p:.1f} %'


def launch(playwright):
    "Chromium, which asks nothing of the network by itself"
    return playwright.chromium.launch(executable_path=shutil.which('chromium') or shutil.which('google-chrome'), args=FLAGS)


def free_port():
    "A port of this machine that nobody listens on"
    with socket.socket() as s:
        s.bind(('127.0.0.1', 0))
        return s.getsockname()[1]


class Visit:
    "A browser at the app"
    def __init__(self, playwright, address, shots, size, theme='light', touch=False):
        self.browser = launch(playwright)
        self.context = self.browser.new_context(viewport=size, color_scheme=theme, has_touch=touch, permissions=['clipboard-read','clipboard-write'])
        self.page,self.asked,self.faults,self.shots,self.size,self.theme = self.context.new_page(),[],[],shots,size,theme
        self.page.set_default_timeout(15_000)
        expect.set_options(timeout=15_000)
        self.page.on('request', lambda o: self.asked.append(o.url))
        self.page.on('pageerror', lambda o: self.faults.append(f'error in the page: {o}'))
        self.page.on('console', lambda o: o.type in ('error','warning') and '422' not in o.text and self.faults.append(f'console: {o.text}'))
        self.page.goto(address)
        self.page.locator('body[data-ready]').wait_for()

    def open(self, tab): self.page.get_by_role('tab', name=tab, exact=True).click()

    def upload(self, name, *files): self.page.locator(f'#{name}-file').set_input_files([str(o) for o in files])

    def shot(self, name):
        "Keep a screenshot of the page, and check that it is as wide as the window"
        self.page.wait_for_timeout(200) # Until nothing fades any more
        wide = self.page.evaluate('document.documentElement.scrollWidth')
        if wide>self.size['width']: self.faults.append(f'{name} is {wide} px wide')
        self.page.screenshot(path=self.shots/f'{name}.png', full_page=True)

    def look(self, name):
        "Keep a screenshot, and let axe look for faults"
        name = f'{name}_{self.theme}'
        self.shot(f'app_{name}')
        found = Axe().run(self.page, options=dict(runOnly=['wcag2a','wcag2aa','wcag21a','wcag21aa','best-practice'])).response['violations']
        self.faults += [f"axe on {name}: {o['id']} ({o['impact']}): {o['help']}\n    {n['html'][:300]}\n    {n['failureSummary']}" for o in found for n in o['nodes'][:3]]

    def download(self, button):
        "What a button gives to save"
        with self.page.expect_download() as o: button.click()
        return o.value.path()

    def close(self):
        outside = {o for o in self.asked if not re.match(r'http://(127\.0\.0\.1|localhost):|data:|blob:', o)}
        self.browser.close()
        assert not self.faults, '\n'.join(self.faults)
        assert not outside, f'Requests leave the machine: {outside}'


def use_patch(visit, predictor, files):
    "Upload, paste, choose, decide"
    page,said = visit.page,visit.page.locator('#patch-said')
    visit.open('Patch')
    for file in (*files[:2], example_files()[0]):
        p = float(predictor.predict(read_image(file), 8)[0])
        visit.upload('patch', file)
        expect(said.locator('.big')).to_have_text(percent(p))
    file = example_files()[1]
    page.evaluate('''async url => { const bytes = await (await fetch(url)).blob();
        const d = new DataTransfer(); d.items.add(new File([bytes], 'pasted.png', {type: 'image/png'}))
        document.dispatchEvent(new ClipboardEvent('paste', {clipboardData: d, bubbles: true})) }''', f'examples/{file.name}')
    p = float(predictor.predict(read_image(file), 8)[0])
    expect(said.locator('.big')).to_have_text(percent(p))
    page.locator('#examples button').nth(len(example_files())-1).click() # A tumour
    p = float(predictor.predict(read_image(example_files()[-1]), 8)[0])
    expect(said.locator('.big')).to_have_text(percent(p))
    shown = page.locator('#view-attribution')
    before,number = shown.get_attribute('src'),page.locator('#patch-number')
    for threshold,call in ((min(p+.01, 1),'No tumour in the centre'),(max(p-.01, 1e-4),'Tumour in the centre')):
        number.fill(f'{threshold:.4f}')
        number.press('Enter')
        if threshold!=p: expect(said.locator('.call strong')).to_have_text(call)
    assert shown.get_attribute('src')==before # The network was not asked again
    page.get_by_label(re.compile('default threshold')).first.check()
    expect(said).to_contain_text(f"the threshold {float(f'{predictor.config.threshold:.4g}'):g}")
    page.get_by_label('occlusion').check()
    expect(shown).not_to_have_attribute('src', before)
    expect(said.locator('.big')).to_have_text(percent(p))


def use_slide(visit, predictor, slide, tmp):
    "Read a slide, look through the heatmap, go to a patch, fetch the files"
    page = visit.page
    visit.open('Slide')
    visit.upload('slide', slide)
    expect(page.locator('#slide-name')).to_contain_text(slide.name)
    page.get_by_role('button', name='Read the slide').click()
    expect(page.locator('#slide-state')).to_be_visible()
    page.locator('#slide-viewer[data-ready]').wait_for(timeout=90_000)
    wanted = read_slide(predictor, slide, tmp/'read', progress=False)
    for o in (f"{wanted['score']:.3f}",f"{wanted['windows']:,}",wanted['metastasis'],wanted['resolution']): expect(page.locator('.viewer .about')).to_contain_text(o)
    expect(page.locator('#viewer-count')).to_contain_text(f"{wanted['regions']} region")
    page.get_by_label('Opacity of the heatmap').fill('0.9')
    expect(page.locator('.viewer-cells').first).to_have_css('opacity', '0.9')
    page.locator('.patches button').nth(1).click()
    expect(page.locator('.viewer-told')).to_contain_text('Patch B')
    page.wait_for_function("() => document.querySelectorAll('.leaflet-tile-loaded').length > 2")
    names = page.locator('#files button').all_text_contents()
    assert names==sorted(o.name for o in (tmp/'read').iterdir()), names
    number = page.locator('#slide-viewer').get_by_label('Threshold, as a number')
    number.fill('0.9')
    number.press('Enter')
    expect(page.locator('#viewer-count')).to_contain_text('from 0.9')
    page.get_by_text('Single files').click()
    tiles = visit.download(page.get_by_role('button', name='tiles.csv'))
    assert np.allclose(*[pd.read_csv(o).drop(columns='quality') for o in (tiles, tmp/'read'/'tiles.csv')], atol=1e-4)
    with zipfile.ZipFile(visit.download(page.get_by_role('button', name='Download all files'))) as z: assert sorted(z.namelist())==names
    page.reload() # The last results stay at hand
    page.locator('body[data-ready]').wait_for()
    visit.open('Slide')
    page.locator('#earlier button', has_text=slide.name).first.click()
    page.locator('#slide-viewer[data-ready]').wait_for()
    expect(page.locator('#viewer-count')).to_contain_text(f"{wanted['regions']} region")


def cancel_slide(visit, slide):
    "Begin, and think better of it"
    page = visit.page
    visit.open('Slide')
    visit.upload('slide', slide)
    page.locator('#slide-stride').select_option('16')
    page.get_by_role('button', name='Read the slide').click()
    page.get_by_role('button', name='Cancel').click()
    expect(page.locator('#slide-hint')).to_have_text('Cancelled.')
    expect(page.get_by_role('button', name='Read the slide')).to_be_enabled()
    page.locator('#slide-stride').select_option('32')


def use_batch(visit, predictor, files, tmp):
    "Predict a zip, sort, fetch the submission"
    page = visit.page
    with zipfile.ZipFile(tmp/'patches.zip', 'w') as z:
        for o in files: z.write(o, o.name)
        z.writestr('broken.png', b'no picture')
    visit.open('Batch')
    visit.upload('batch', tmp/'patches.zip')
    page.get_by_role('button', name='Predict').click()
    expect(page.locator('#batch-state')).to_contain_text(f'{len(files)} patches', timeout=60_000)
    expect(page.locator('#left-out')).to_contain_text('broken.png')
    p = predictor.predict(np.stack([read_image(o) for o in files]), 8)
    cell = page.locator('#rows tbody td').nth(2)
    expect(cell).to_have_text(f'{p.max():.4f}')
    page.locator('#order').select_option('low')
    expect(cell).to_have_text(f'{p.min():.4f}')
    sub = pd.read_csv(visit.download(page.get_by_role('button', name='Download submission.csv')), dtype=dict(id=str))
    got = sub.set_index('id').label
    assert set(got.index)=={o.stem for o in files} and np.allclose(got.loc[[o.stem for o in files]], p, atol=1e-6)
    more,seen = pd.read_csv(visit.download(page.get_by_role('button', name='Download patches.csv')), dtype=dict(id=str)).set_index('id').loc[[o.stem for o in files]],look(predictor.statistics, np.stack([read_image(o) for o in files]))
    assert np.allclose(more.probability, p, atol=1e-6) and (more.decision==np.where(p>=predictor.config.threshold, 'tumour', 'no tumour in the centre')).all() and set(more.indeterminate)<={'yes','no'}
    assert (more.out_of_distribution==np.where(seen['unusual'], 'yes', 'no')).all() and np.allclose(more['rank'], seen['rank'], atol=1e-4)
    page.locator('#order').select_option('high')
    page.get_by_role('button', name=f'Look at {files[p.argmax()].stem}', exact=True).click() # With its attribution
    expect(page.locator('#batch-one-said .big')).to_have_text(percent(float(p.max())))
    expect(page.locator('#batch-one-views img')).to_have_count(2)
    last = page.locator('#rows tbody tr').last # A click anywhere in a row shows its patch
    last.locator('td').nth(3).click()
    expect(page.locator('#batch-one-name')).to_have_text(files[p.argmin()].stem)
    expect(page.locator('#batch-one-said .big')).to_have_text(percent(float(p.min())))


def read_about(visit):
    "Read the card"
    visit.open('About')
    for o in ('CLAIM','not a medical device','95 % interval'): expect(visit.page.locator('#card')).to_contain_text(o)


def use_wrongly(visit, tmp):
    "What can't be read gets a sentence, what was shown before goes at once, and moving the threshold brings none of it back"
    page = visit.page
    (tmp/'text.png').write_text('no picture')
    for tab,name,button,shown,says in (('Patch','patch',None,'#patch-said .verdict, #patch-views img','not an image'),
            ('Slide','slide','Read the slide','#slide-viewer .viewer, #files li','not a slide or'),
            ('Batch','batch','Predict','#rows tbody tr td:text("tumour"), #histogram svg','')):
        visit.open(tab)
        visit.upload(name, tmp/'text.png')
        if button:
            expect(page.locator(shown)).to_have_count(0) # At once, not only when the next is done
            page.get_by_role('button', name=button).click()
        if says: expect(page.locator(f'#{name}-error')).to_contain_text(says)
        else: expect(page.locator('#batch-state')).to_contain_text('0 patches')
        expect(page.locator(shown)).to_have_count(0)
        page.locator(f'#{name}-slider').fill('0.3')
        expect(page.locator(shown)).to_have_count(0)
        page.locator(f'#{name}-choice-0').check()
    visit.open('Batch')
    visit.upload('batch', tmp/'text.png', tmp/'text.png')
    with zipfile.ZipFile(tmp/'empty.zip', 'w'): pass
    visit.upload('batch', tmp/'empty.zip')
    page.get_by_role('button', name='Predict').click()
    expect(page.locator('#batch-error')).to_contain_text('no image')
    expect(page.locator('#rows tbody tr')).to_have_count(0)


def answer_late(visit, part):
    "From now on, whatever the page asks for under an address with `part` comes a second late, though it is no longer wanted"
    visit.page.evaluate("""part => { window.asks ||= fetch; window.fetch = (url, o = {}) => url.includes(part)
        ? scheduler.postTask(() => window.asks.call(window, url, {...o, signal: undefined}), {delay: 1000}) : window.asks.call(window, url, o) }""", part)


def use_in_haste(visit, predictor, files, slide, tmp):
    "What comes late is of an input that is there no more; what was changed meanwhile is not what is read"
    page,said,p = visit.page,visit.page.locator('#patch-said'),predictor.predict(np.stack([read_image(o) for o in files]), 8)
    visit.open('Patch')
    first,second,wanted = files[p.argmin()],files[p.argmax()],percent(float(p.max()))
    for part,begin in (('examples/',lambda: page.locator('#examples button').first.click()), ('api/patch',lambda: visit.upload('patch', first))):
        answer_late(visit, part)
        begin()
        answer_late(visit, 'nothing')
        visit.upload('patch', second)
        expect(said.locator('.big')).to_have_text(wanted)
        page.wait_for_timeout(1500)
        expect(said.locator('.big')).to_have_text(wanted)
        assert page.locator('#patch-views figure').count()==2
    visit.upload('patch', tmp/'text.png')
    expect(page.locator('#patch-error')).to_be_visible()
    page.locator('#patch-resize').check()
    page.wait_for_timeout(500)
    expect(page.locator('#patch-said .verdict, #patch-views img')).to_have_count(0)
    page.locator('#patch-resize').uncheck()
    visit.open('Slide')
    visit.upload('slide', slide)
    page.locator('#slide-stride').select_option('16')
    page.get_by_role('button', name='Read the slide').click()
    expect(page.locator('#slide-state')).to_contain_text('windows', timeout=60_000)
    page.locator('#slide-mpp').fill('0.9')
    expect(page.locator('#slide-progress')).to_be_hidden()
    expect(page.get_by_role('button', name='Read the slide')).to_be_enabled()
    page.locator('#slide-mpp').fill('')
    page.locator('#slide-stride').select_option('32')


def use_keys(visit):
    "Find a tab and an example with the keyboard alone"
    page = visit.page
    page.reload()
    page.locator('body[data-ready]').wait_for()
    page.keyboard.press('Tab')
    for name in ('Slide','Batch','About','Patch'):
        page.keyboard.press('ArrowRight')
        expect(page.get_by_role('tab', name=name, exact=True)).to_have_attribute('aria-selected', 'true')
    here = lambda: page.evaluate("!!document.activeElement.closest('#examples') && document.activeElement.tagName=='BUTTON'")
    for _ in range(10):
        page.keyboard.press('Tab')
        if here(): break
    assert here(), 'No example can be reached by the keyboard'
    page.keyboard.press('Enter')
    expect(page.locator('#patch-said .big')).to_be_visible()


def serve(run, place, *options):
    "The app, in a process of its own: address and process"
    port = free_port()
    p = subprocess.Popen(['pcam_app', str(run), '--port', str(port), '--device', 'cpu', *options], stdout=subprocess.PIPE, text=True, env=dict(os.environ, TMPDIR=str(place)))
    assert f':{port}' in p.stdout.readline()
    return f'http://127.0.0.1:{port}', p


def several_runs(playwright, run, place, shots, file):
    "Choose another run in the page: it answers, and says so, for a patch and for a batch; its place in the choice stays"
    address,server = serve(run, place, '--more', 'pcam-small')
    try:
        visit = Visit(playwright, address, shots, WIDE)
        page,choice = visit.page,visit.page.locator('#run')
        names = choice.locator('option').all_inner_texts()
        assert len(names)==2 and names[0]!=names[1], names
        for i in (0,1):
            choice.select_option(index=i)
            page.locator('body[data-ready]').wait_for()
            page.wait_for_function(f'document.querySelector("#run").selectedIndex==={i}')
            visit.open('Patch')
            visit.upload('patch', file)
            expect(page.locator('#patch-said .by')).to_have_text(f'By {names[i]}')
            visit.open('Batch')
            visit.upload('batch', file)
            page.locator('#batch-start').click()
            expect(page.locator('#batch-state')).to_contain_text('1 patch, ')
            expect(page.locator('#batch-state')).to_contain_text(f'By {names[i]}')
        visit.look(f'wide_runs_{i}')
        visit.close()
        return len(visit.asked)
    finally:
        server.send_signal(signal.SIGINT)
        server.wait(30)


def main():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument('run'), p.add_argument('data'), p.add_argument('--shots')
    args = p.parse_args()
    with tempfile.TemporaryDirectory() as tmp, sync_playwright() as playwright:
        tmp = Path(tmp)
        shots,place = Path(args.shots or tmp/'shots'),tmp/'server'
        for o in (shots,place): o.mkdir(exist_ok=True)
        predictor,files = Predictor.load(args.run, 'cpu'),sorted((Path(args.data)/'test').glob('*.tif'))[:30]
        generate_slide(tmp/'slide.tif', 2400, 1800, progress=False)
        address,server = serve(args.run, place)
        asked = 0
        try:
            for size,theme in ((WIDE,'light'),(WIDE,'dark'),(PHONE,'light'),(PHONE,'dark')):
                visit,kind = Visit(playwright, address, shots, size, theme),'phone' if size is PHONE else 'wide'
                look = lambda state: [(visit.open(o), visit.look(f'{kind}_{o.lower()}_{state}')) for o in TABS]
                look('empty')
                cancel_slide(visit, tmp/'slide.tif')
                use_slide(visit, predictor, tmp/'slide.tif', tmp)
                use_patch(visit, predictor, files)
                use_batch(visit, predictor, files, tmp)
                read_about(visit)
                look('result')
                use_wrongly(visit, tmp)
                look('error')
                use_in_haste(visit, predictor, files, tmp/'slide.tif', tmp)
                use_keys(visit)
                asked += len(visit.asked)
                visit.close()
                print(f'ok {kind}, {theme}', flush=True)
        finally:
            server.send_signal(signal.SIGINT)
            server.wait(30)
        asked += several_runs(playwright, args.run, place, shots, files[0])
        assert not list(place.iterdir()), list(place.iterdir())
        print(f'All tabs are used, wide and on a phone, in light and dark; {asked} requests, none leaves the machine')


if __name__=='__main__': main()
