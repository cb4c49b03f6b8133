"""Top-level domains of mail addresses: a list, so that ``x@self.weight`` and ``icon@2x.png`` are none."""

from __future__ import annotations

_COUNTRIES = """
ac ad ae af ag ai al am ao aq ar as at au aw ax az ba bb bd be bf bg bh bi bj bm bn bo br bs bt bw by bz ca cc cd
cf cg ch ci ck cl cm cn co cr cu cv cw cx cy cz de dj dk dm do dz ec ee eg er es et eu fi fj fk fm fo fr ga gb gd
ge gf gg gh gi gl gm gn gp gq gr gs gt gu gw gy hk hm hn hr ht hu id ie il im in io iq ir is it je jm jo jp ke kg
kh ki km kn kp kr kw ky kz la lb lc li lk lr ls lt lu lv ly ma mc md me mg mh mk ml mm mn mo mp mq mr ms mt mu mv
mw mx my mz na nc ne nf ng ni nl no np nr nu nz om pa pe pf pg ph pk pl pm pn pr ps pt pw py qa re ro rs ru rw sa
sb sc sd se sg sh si sk sl sm sn so sr ss st su sv sx sy sz tc td tf tg th tj tk tl tm tn to tr tt tv tw tz ua ug
uk us uy uz va vc ve vg vi vn vu wf ws ye yt za zm zw yu an
"""
_GENERIC = """
com org net edu gov mil int info biz name pro aero coop museum jobs mobi travel tel cat asia post arpa xxx
academy accountant agency app art band bank bar best bid blog build business cafe camp capital care careers cash
center chat church city claims cloud club coach codes coffee community company computer consulting cool country
dance data date dental design dev digital direct directory doctor domains download earth education email energy
engineer engineering enterprises estate events exchange expert express family farm fashion finance financial
fitness foundation fun fund games garden global gmbh gold graphics group guide guru health help homes host hotel
house icu institute insurance international ink kim land law legal life limited link live loan lol love ltd
marketing media med men moda money movie network news ngo ninja one online ooo page partners party pet photo
photography photos pics place plus press productions properties pub quest realty red report rest restaurant
review rip rocks run sale school science scot services shop show site social software solutions space store
stream studio study support swiss systems tax team tech technology theater tips today tools top tours town toys
trade training university vacations ventures video vip vision watch webcam website wedding wiki win wine work
works world wtf xyz yoga zone berlin hamburg koeln london paris nyc tokyo wien bayern amsterdam
"""

TOP_LEVEL = frozenset(_COUNTRIES.split()) | frozenset(_GENERIC.split())
"""The country codes (and two of the past that old mail has), and the generic ones that people have mail at; IANA lists
1,200 more, hardly used for mail."""
