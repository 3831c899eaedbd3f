"""Makes list1@example.com up to a number: four by Mailman, the others as copies of the first's row."""
import sqlite3, sys
from mailman.core.initialize import initialize
cfg, database, lists = sys.argv[1], sys.argv[2], int(sys.argv[3])
initialize(cfg)
from mailman.app.lifecycle import create_list
from mailman.database.transaction import transaction
from mailman.interfaces.domain import IDomainManager
from zope.component import getUtility
with transaction():
    getUtility(IDomainManager).add('example.com')
    for number in range(1, min(lists, 4) + 1):
        create_list('list%d@example.com' % number, ['owner@example.org'])
db = sqlite3.connect(database)
rows = db.execute('SELECT * FROM mailinglist WHERE id = 1')
names = [column[0] for column in rows.description]
first = dict(zip(names, rows.fetchone()))
marks = ', '.join('?' for name in names)
for number in range(5, lists + 1):
    name = 'list%d' % number
    copy = dict(first, id=number, list_name=name, list_id=name + '.example.com')
    db.execute('INSERT INTO mailinglist VALUES (%s)' % marks, list(copy.values()))
db.commit()
