insert into kit_forgetting (relation, moment) values ('webhooks_message', 'created_at');
drop function webhooks_forget(timestamptz, integer);
