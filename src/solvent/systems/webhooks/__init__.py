"""Where does a business send its events, and did they arrive?"""
