"""How are the providers' own clients driven, loaded only when somebody is sent to pay?"""
