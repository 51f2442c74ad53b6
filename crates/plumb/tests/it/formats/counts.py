# Counts what a document says of each host, by the parsers of others, and prints it as JSON: statuses in our names.
# SARIF speaks of failures and errors only, OSCAL of all by a property, the page in its overview.
import csv
import json
import sys
import xml.etree.ElementTree as tree
from collections import Counter, defaultdict

import html5lib

kind, path = sys.argv[1:]
hosts = defaultdict(Counter)
XCCDF = '{http://checklists.nist.gov/xccdf/1.2}'
NAMES = {'notchecked': 'skipped', 'notapplicable': 'not_applicable'}

if kind == 'csv':
    with open(path, encoding='utf-8', newline='') as file:
        for row in csv.DictReader(file):
            # The apostrophe that keeps a name from being a formula is no part of it.
            hosts[row['host'].removeprefix("'")][row['status'] or 'not measured'] += 1
elif kind == 'junit':
    for suite in tree.parse(path).iter('testsuite'):
        for case in suite.iter('testcase'):
            status = {'failure': 'fail', 'skipped': 'skipped or not applicable'}
            words = [status.get(child.tag, child.tag) for child in case] or ['pass']
            hosts[suite.get('name')][words[0] if case.get('name') != 'measure the host' else 'not measured'] += 1
elif kind == 'sarif':
    for result in json.load(open(path, encoding='utf-8'))['runs'][0]['results']:
        hosts[result['properties']['host']][{'open': 'error'}.get(result['kind'], result['kind'])] += 1
elif kind in ('xccdf', 'arf'):
    for of_host in tree.parse(path).iter(XCCDF + 'TestResult'):
        for one in of_host.iter(XCCDF + 'rule-result'):
            status = one.findtext(XCCDF + 'result')
            measured = not one.get('idref').endswith('_rule_host_is_measured')
            name = NAMES.get(status, status) if measured else 'not measured'
            hosts[of_host.findtext(XCCDF + 'target')][name] += 1
elif kind == 'oscal':
    for result in json.load(open(path, encoding='utf-8'))['assessment-results']['results']:
        props = {prop['name']: prop['value'] for prop in result['local-definitions']['inventory-items'][0]['props']}
        for one in result['observations']:
            said = {prop['name']: prop['value'] for prop in one['props']}
            hosts[props['host']][said['status'] if 'rule-id' in said else 'not measured'] += 1
elif kind == 'html':
    with open(path, encoding='utf-8') as file:
        page = html5lib.parse(file.read(), namespaceHTMLElements=False)
    for row in page.find('.//main/section//tbody'):
        name, *cells = [''.join(cell.itertext()) for cell in row]
        if len(cells) == 1:
            hosts[name]['not measured'] += 1
            continue
        numbers = zip(('pass', 'fail', 'error', 'skipped', 'not_applicable'), cells[3:], strict=True)
        hosts[name].update({status: int(number) for status, number in numbers if number != '0'})
print(json.dumps(hosts))
