-- An errand without an outcome is never forgotten.
insert into kit_forgetting (relation, moment, spared) values ('payments_errand', 'settled_at', 'state = ''asked''');
drop function payments_forget_errands(timestamptz, integer);
